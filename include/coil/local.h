/* SPDX-License-Identifier: MIT */
/*
 * Values that belong to a coroutine, as thread-local ones do to a thread: the request that it
 * serves, say, for whoever writes a line of log.
 *
 *     static struct coil_local request = {.destroy = free};
 *
 *     coil_local_set(&request, strdup(id));
 *     ...
 *     const char *id = coil_local_get(&request);
 *
 * A program may use COIL_LOCALS keys. They cost coroutines without values nothing.
 */
#ifndef COIL_LOCAL_H
#define COIL_LOCAL_H

#include <coil/base.h>

COIL_BEGIN_DECLS

/* How many keys a process may use; one more aborts. */
#define COIL_LOCALS 8

/* A key: a static variable. */
struct coil_local {
    /* Called, where it is set, when a coroutine with a value other than NULL ends: in that
     * coroutine, whose last call it is. It may suspend; it may not leave a value behind. */
    void (*destroy)(void *value);
    /* Called, where it is set, when a coroutine with a value spawns another one on its core: by the
     * spawner, with its value. Returns the value of the new one. It may not suspend. */
    void *(*inherit)(void *value);
    /* private */
    uint32_t number;
};

/* The calling coroutine's value; NULL unless it has set or inherited one. */
void *coil_local_get(const struct coil_local *key);

/* Gives the calling coroutine another value. The previous one is not destroyed. */
void coil_local_set(struct coil_local *key, void *value);

COIL_END_DECLS
#endif
