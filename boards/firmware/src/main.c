#include "link.h"
#include "network.h"
#include "port.h"

int main(int argc, char **argv)
{
    hil_port_init(argc, argv);
    hil_network_forget();
    for (;;) {
        hil_link_receive(hil_port_read());
    }
}
