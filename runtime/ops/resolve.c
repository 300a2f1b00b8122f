/* SPDX-License-Identifier: MIT */
/*
 * A lookup lies in memory of its own, which belongs to its core whenever no thread has it. So a
 * cancel needs no thread's consent: it takes the future away, and the lookup comes home to nobody.
 */
#include "ops/op.h"

#include "core/pool.h"

#include <coil/resolve.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
    struct coil_offloaded work;
    struct coil_future *future; /* NULL: it was cancelled */
    struct addrinfo **wanted;   /* where its caller wants the list */
    struct addrinfo *found;
    struct addrinfo hints;
    bool has_hints;
    const char *node, *service; /* in `text`, or NULL */
    char text[];
};

/* So many silent name servers at once hold up nobody but other lookups. */
static struct coil_pool resolvers = COIL_POOL("resolve", 8);

static int error_of(int code)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_SERVICE:
        return -ENOENT;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -ENODATA;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_BADFLAGS:
        return -EINVAL;
    case EAI_FAMILY:
        return -EAFNOSUPPORT;
    case EAI_SOCKTYPE:
        return -ESOCKTNOSUPPORT;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno > 0 ? -errno : -EIO;
    default:
        return -EIO;
    }
}

/* On a thread of the pool. */
static ssize_t look_up(void *arg)
{
    struct lookup *lookup = arg;
    const struct coil__ring_driver *driver = lookup->work.home->ring.driver;
    int (*find)(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) =
        driver->getaddrinfo != NULL ? driver->getaddrinfo : getaddrinfo;
    return error_of(find(lookup->node, lookup->service, lookup->has_hints ? &lookup->hints : NULL,
                         &lookup->found));
}

static void lookup_arrives(struct coil_message *message)
{
    struct lookup *lookup = coil__container_of(message, struct lookup, work.message);
    const struct coil_offloaded *work = &lookup->work;
    struct coil_future *future = lookup->future;
    coil__pools_forget(work);
    if (future == NULL && lookup->found != NULL)
        freeaddrinfo(lookup->found);
    if (future != NULL) {
        *lookup->wanted = lookup->found;
        future->waiting.object = lookup->found; /* for who drops it */
        coil__future_complete(future, work->result);
    }
    free(lookup);
}

static void lookup_cancel(struct coil_future *future)
{
    struct lookup *lookup = future->waiting.object;
    lookup->future = NULL;
    if (coil__pools_remove(&lookup->work))
        free(lookup);
    coil__future_complete(future, -ECANCELED);
}

static void lookup_discard(struct coil_future *future)
{
    if (future->result == 0)
        freeaddrinfo(future->waiting.object);
}

static const struct coil_future_kind lookup_kind = {
    .name = "getaddrinfo", .cancel = lookup_cancel, .discard = lookup_discard};

static size_t size_of(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static const char *copy(char *place, const char *text)
{
    return text == NULL ? NULL : memcpy(place, text, size_of(text));
}

static struct lookup *make_lookup(struct coil_future *future, const char *node, const char *service)
{
    struct lookup *lookup = malloc(sizeof(*lookup) + size_of(node) + size_of(service));
    if (lookup == NULL)
        return NULL;
    *lookup = (struct lookup){
        .work = {.message.deliver = lookup_arrives, .fn = look_up, .arg = lookup},
        .future = future,
        .node = copy(lookup->text, node),
        .service = copy(lookup->text + size_of(node), service),
    };
    return lookup;
}

void coil_getaddrinfo_start(struct coil_future *future, const char *node, const char *service,
                            const struct addrinfo *hints, struct addrinfo **found)
{
    if (!coil__future_begin(future, &lookup_kind))
        return;
    struct lookup *lookup = make_lookup(future, node, service);
    if (lookup == NULL) {
        coil__future_complete(future, -ENOMEM);
        return;
    }
    lookup->wanted = found;
    lookup->has_hints = hints != NULL;
    if (hints != NULL)
        lookup->hints = (struct addrinfo){.ai_flags = hints->ai_flags,
                                          .ai_family = hints->ai_family,
                                          .ai_socktype = hints->ai_socktype,
                                          .ai_protocol = hints->ai_protocol};
    future->waiting.object = lookup;
    int err = coil__pools_add(&resolvers, &lookup->work);
    if (err < 0) {
        free(lookup);
        coil__future_complete(future, err);
    }
}

int coil_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                     struct addrinfo **found)
{
    struct coil_future future;
    coil_getaddrinfo_start(&future, node, service, hints, found);
    return (int)coil__await(&future);
}
