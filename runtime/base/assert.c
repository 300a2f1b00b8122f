/* SPDX-License-Identifier: MIT */
/* One line, then abort. */
#include "base/assert.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

__thread const char *(*coil__panic_who)(void);
const char *coil__panic_note;

void coil__panic(const char *file, int line, const char *what)
{
    char text[512];
    const char *who = coil__panic_who != NULL ? coil__panic_who() : NULL;
    int len = snprintf(text, sizeof(text), "coil: %s:%d: %s%s%s%s\n", file, line, what,
                       who != NULL ? "; in coroutine " : "", who != NULL ? who : "",
                       coil__panic_note != NULL ? coil__panic_note : "");
    if (len > (int)sizeof(text) - 1)
        len = (int)sizeof(text) - 1;
    coil__log_last(text, (size_t)len);
    abort();
}
