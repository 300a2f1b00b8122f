/* SPDX-License-Identifier: MIT */
/* Names to addresses. */
#ifndef COIL_RESOLVE_H
#define COIL_RESOLVE_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

struct addrinfo;

/*
 * Looks up addresses as getaddrinfo(3) does, on a thread: 8 lookups at a time, in a pool of their
 * own. On success *found is the list, for freeaddrinfo(3). What is given is copied, so that only
 * `found` must stay.
 *
 * Cancelled it returns at once, even while a name server is silent: the lookup goes on by itself,
 * with memory of its own, and what it finds is freed. coil_run() waits for it at its end, which may
 * take as long as the resolver's patience: `options timeout:1 attempts:2` in resolv.conf(5), or
 * RES_OPTIONS in the environment, shorten that.
 *
 * Returns 0; -ENOENT: there is no such name or service; -ENODATA: the name has no address (of that
 * family); -EAGAIN: no name server has answered, which may pass; -EIO: it has failed for good;
 * -EINVAL, -EAFNOSUPPORT, -ESOCKTNOSUPPORT: `hints` make no sense; -ENOMEM; or another error of the
 * system.
 */
COIL_SUSPENDS int coil_getaddrinfo(const char *node, const char *service,
                                   const struct addrinfo *hints, struct addrinfo **found);
void coil_getaddrinfo_start(struct coil_future *future, const char *node, const char *service,
                            const struct addrinfo *hints, struct addrinfo **found);

COIL_END_DECLS
#endif
