// Drives the simulated core over standard input and output, one window at a time.
// In:  d_in (u32), outputs per window (u32), then for each window d_in int8.
// Out: for each window the cycles from start to idle (u64), then per drained channel int32 biased and int32 value.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "Vternary_top.h"
#include "verilated.h"

static Vternary_top *top;

static void tick() {
    top->clk = 0;
    top->eval();
    top->clk = 1;
    top->eval();
}

static bool take(void *into, size_t bytes) { return std::fread(into, 1, bytes, stdin) == bytes; }

int main(int argc, char **argv) {
    Verilated::commandArgs(argc, argv);
    top = new Vternary_top;
    top->reset = 1;
    tick();
    tick();
    top->reset = 0;

    uint32_t sizes[2];
    if (!take(sizes, sizeof sizes)) return 2;
    const uint32_t d_in = sizes[0], outputs = sizes[1];
    std::vector<int8_t> input(d_in);
    std::vector<int32_t> drained(2 * size_t(outputs));
    const uint64_t limit = 1ULL << 34;

    while (take(input.data(), d_in)) {
        top->load_enable = 1;
        for (uint32_t i = 0; i < d_in; i++) {
            top->load_address = i;
            top->load_data = uint8_t(input[i]);
            tick();
        }
        top->load_enable = 0;
        top->start = 1;
        tick();
        top->start = 0;
        uint64_t cycles = 1;
        uint32_t n = 0;
        while (top->busy && cycles < limit) {
            tick();
            cycles++;
            if (top->out_valid) {
                if (n == outputs) return 3;
                drained[2 * n] = int32_t(top->out_biased);
                drained[2 * n + 1] = int8_t(top->out_value);
                n++;
            }
        }
        if (n != outputs) return 4;
        std::fwrite(&cycles, sizeof cycles, 1, stdout);
        std::fwrite(drained.data(), sizeof(int32_t), drained.size(), stdout);
        std::fflush(stdout);
    }
    delete top;
    return 0;
}
