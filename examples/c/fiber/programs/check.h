/* What the programs share. Not `assert`: optimized builds leave that out. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program with an error unless this is so. */
#define CHECK(condition)                                                              \
    ((condition) ? (void)0                                                            \
                 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), exit(1)))

/* The size that the command line asks for, or this one. */
static inline uint32_t size(int argc, char **argv, uint32_t usual) {
    return argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : usual;
}
