/* SPDX-License-Identifier: MIT */
/* Keys get a number at their first use, and with it their place in every coroutine. */
#include "coro/local.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held while a key gets its number */
static struct coil_local *keys[COIL_LOCALS];             /* those numbered 1, 2, ... */

static uint32_t number_key(struct coil_local *key)
{
    pthread_mutex_lock(&lock);
    uint32_t number = key->number;
    for (uint32_t i = 0; i < COIL_LOCALS && number == 0; i++) {
        if (keys[i] != NULL)
            continue;
        keys[i] = key;
        number = i + 1;
        /* Release; pairs with the acquire in coil_local_set(): the key is in the table. */
        __atomic_store_n(&key->number, number, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
    coil__require(number != 0, "coil_local_set: more than 8 keys in this process");
    return number;
}

void coil_local_set(struct coil_local *key, void *value)
{
    struct coil_task *task = coil__self();
    /* Acquire; pairs with the release in number_key(). */
    uint32_t number = __atomic_load_n(&key->number, __ATOMIC_ACQUIRE);
    if (number == 0)
        number = number_key(key);
    uint8_t bit = (uint8_t)(1u << (number - 1));
    task->locals[number - 1] = value;
    if (value != NULL)
        task->locals_set |= bit;
    else
        task->locals_set &= (uint8_t)~bit;
}

void *coil_local_get(const struct coil_local *key)
{
    const struct coil_task *task = coil__self();
    /* Relaxed: who has a value was there when the key got its number. */
    uint32_t number = __atomic_load_n(&key->number, __ATOMIC_RELAXED);
    if (number == 0 || (task->locals_set & 1u << (number - 1)) == 0)
        return NULL;
    return task->locals[number - 1];
}

void coil__locals_inherit_some(const struct coil_task *from, struct coil_task *to)
{
    for (unsigned i = 0; i < COIL_LOCALS; i++) {
        if ((from->locals_set & 1u << i) == 0 || keys[i]->inherit == NULL)
            continue;
        to->locals[i] = keys[i]->inherit(from->locals[i]);
        if (to->locals[i] != NULL)
            to->locals_set |= (uint8_t)(1u << i);
    }
}

void coil__locals_destroy(struct coil_task *task)
{
    for (unsigned i = 0; i < COIL_LOCALS; i++) {
        if ((task->locals_set & 1u << i) == 0)
            continue;
        task->locals_set &= (uint8_t) ~(1u << i);
        if (keys[i]->destroy != NULL)
            keys[i]->destroy(task->locals[i]);
    }
    coil__require(task->locals_set == 0, "coil_local: a destroy function left a value behind");
}
