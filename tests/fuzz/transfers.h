/* SPDX-License-Identifier: MIT */
/* What bytes of streams and files are. */
#ifndef COIL_TESTS_FUZZ_TRANSFERS_H
#define COIL_TESTS_FUZZ_TRANSFERS_H

#include "actor.h"

namespace coil_fuzz {

/* Never 0. */
inline unsigned char byte_at(uint64_t place)
{
    return uint8_t((place * 37 + (place >> 6) * 11) % 251 + 1);
}

/* Makes / expects the bytes of a stream from that place on. */
void fill(unsigned char *bytes, size_t len, uint64_t from);
void check(const unsigned char *bytes, size_t len, uint64_t from);

/* Checks what came, as far as it is known which bytes that should be. */
void note_received(Handle &handle, const void *bytes, size_t len);

} // namespace coil_fuzz

#endif
