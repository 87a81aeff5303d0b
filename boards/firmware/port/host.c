/* The firmware as a process: bytes on standard input and output, for tests and where no emulator is installed.
 *
 *   hil-host PROGRAM_MEMORY [EXECUTION_LOG]
 *
 * PROGRAM_MEMORY is a file, made HIL_PROGRAM_BYTES long and mapped, so that whoever started the process can damage it on purpose;
 * EXECUTION_LOG receives one 8-byte record (verb, 0, sequence, nonce) per executed request. */

#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "link.h"
#include "port.h"

const char hil_port_name[] = HIL_NAME;

static uint8_t *program_memory;
static int execution_log = -1;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

void hil_port_init(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        (void)fprintf(stderr, "usage: %s PROGRAM_MEMORY [EXECUTION_LOG]\n", argv[0]);
        exit(2);
    }
    int file = open(argv[1], O_RDWR);
    if (file < 0 || ftruncate(file, HIL_PROGRAM_BYTES) != 0) {
        die(argv[1]);
    }
    void *mapped = mmap(0, HIL_PROGRAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        die(argv[1]);
    }
    program_memory = mapped;
    (void)close(file);
    if (argc == 3) {
        execution_log = open(argv[2], O_WRONLY | O_APPEND);
        if (execution_log < 0) {
            die(argv[2]);
        }
    }
}

uint8_t hil_port_read(void)
{
    static uint8_t buffer[4096];
    static ssize_t filled, taken;
    while (taken == filled) {
        taken = 0;
        filled = read(STDIN_FILENO, buffer, sizeof buffer);
        if (filled == 0 || (filled < 0 && errno != EINTR)) {
            exit(0); /* whoever started us is gone */
        }
        if (filled < 0) {
            filled = 0;
        }
    }
    return buffer[taken++];
}

static void write_all(int file, const uint8_t *bytes, size_t length)
{
    while (length != 0) {
        ssize_t written = write(file, bytes, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            exit(0);
        }
        bytes += written;
        length -= (size_t)written;
    }
}

void hil_port_write(const uint8_t *bytes, size_t length)
{
    write_all(STDOUT_FILENO, bytes, length);
}

uint64_t hil_port_count(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void hil_port_count_align(void)
{
}

uint8_t hil_port_count_kind(void)
{
    return HIL_COUNT_NANOSECONDS;
}

uint8_t *hil_port_program_memory(void)
{
    return program_memory;
}

void hil_port_executed(uint8_t verb, uint32_t nonce, uint16_t sequence)
{
    uint8_t record[8] = {verb, 0};
    if (execution_log >= 0) {
        hil_put16(record + 2, sequence);
        hil_put32(record + 4, nonce);
        write_all(execution_log, record, sizeof record);
    }
}
