/* SPDX-License-Identifier: MIT */
/* Who is bound to which name. */
#include "sim/outage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

enum { EPHEMERAL_FIRST = 32768, EPHEMERAL_COUNT = 28232 };

static struct coil_link bound_sockets = {&bound_sockets, &bound_sockets};
static unsigned next_ephemeral;

void coil__sim_net_open(void)
{
    coil__list_init(&bound_sockets);
    coil__sim_outage_open();
    next_ephemeral = coil__sim_below(EPHEMERAL_COUNT);
}

/* Port, in host order, of an internet address; NULL of another. */
static in_port_t *port_of(struct sockaddr_storage *name)
{
    if (name->ss_family == AF_INET)
        return &((struct sockaddr_in *)name)->sin_port;
    if (name->ss_family == AF_INET6)
        return &((struct sockaddr_in6 *)name)->sin6_port;
    return NULL;
}

static bool is_any(const struct sockaddr_storage *name)
{
    if (name->ss_family == AF_INET)
        return ((const struct sockaddr_in *)name)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)name)->sin6_addr);
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (is_any(a) || is_any(b))
        return true;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr,
                              &((const struct sockaddr_in6 *)b)->sin6_addr);
}

/* Whether what is sent to one reaches the other. */
static bool meet(const struct coil__sim_address *a, const struct coil__sim_address *b)
{
    struct sockaddr_storage one = a->name;
    struct sockaddr_storage two = b->name;
    if (one.ss_family != two.ss_family)
        return false;
    if (one.ss_family == AF_UNIX)
        return a->len == b->len && memcmp(&one, &two, a->len) == 0;
    return *port_of(&one) == *port_of(&two) && same_host(&one, &two);
}

int coil__sim_check_name(int domain, const struct sockaddr *name, socklen_t len)
{
    socklen_t least = domain == AF_INET    ? sizeof(struct sockaddr_in)
                      : domain == AF_INET6 ? offsetof(struct sockaddr_in6, sin6_scope_id)
                                           : sizeof(name->sa_family);
    socklen_t most =
        domain == AF_UNIX ? sizeof(struct sockaddr_un) : sizeof(struct sockaddr_storage);
    if (len < least || len > most)
        return -EINVAL;
    if (name->sa_family == domain)
        return 0;
    return domain == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
}

static int read_name(struct coil__sim_address *address, const struct sockaddr *name, socklen_t len)
{
    int err = coil__sim_check_name(name->sa_family, name, len);
    if (err < 0)
        return err;
    memset(address, 0, sizeof(*address));
    memcpy(&address->name, name, len);
    address->len = len;
    return 0;
}

static bool is_taken(const struct coil__sim_socket *socket, const struct coil__sim_address *address)
{
    for (struct coil_link *link = bound_sockets.next; link != &bound_sockets; link = link->next) {
        const struct coil__sim_socket *other =
            coil__container_of(link, struct coil__sim_socket, bound);
        if (other->type == socket->type && meet(&other->own, address) &&
            !(other->shares_port && socket->shares_port))
            return true;
    }
    return false;
}

/* A port that nobody has. */
static int choose_port(const struct coil__sim_socket *socket, struct coil__sim_address *address)
{
    for (unsigned tries = 0; tries < EPHEMERAL_COUNT; tries++) {
        unsigned port = EPHEMERAL_FIRST + next_ephemeral++ % EPHEMERAL_COUNT;
        *port_of(&address->name) = htons((uint16_t)port);
        if (!is_taken(socket, address))
            return 0;
    }
    return -EADDRINUSE;
}

static int any_name(int domain, struct coil__sim_address *address)
{
    *address = (struct coil__sim_address){.name = {.ss_family = (sa_family_t)domain}};
    if (domain == AF_INET) {
        ((struct sockaddr_in *)&address->name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address->len = sizeof(struct sockaddr_in);
    } else if (domain == AF_INET6) {
        ((struct sockaddr_in6 *)&address->name)->sin6_addr = in6addr_loopback;
        address->len = sizeof(struct sockaddr_in6);
    } else {
        address->len = sizeof(sa_family_t);
    }
    return 0;
}

int coil__sim_bind(struct coil__sim_socket *socket, const struct sockaddr *name, socklen_t len)
{
    struct coil__sim_address address;
    int err = name != NULL ? coil__sim_check_name(socket->domain, name, len) : 0;
    if (err < 0)
        return err;
    if (socket->own.len > 0)
        return -EINVAL; /* it has one */
    err = name != NULL ? read_name(&address, name, len) : any_name(socket->domain, &address);
    if (err < 0)
        return err;
    const in_port_t *port = port_of(&address.name);
    bool nameless = port == NULL && address.len == sizeof(sa_family_t);
    bool is_chosen = port != NULL && *port == 0;
    if (is_chosen)
        err = choose_port(socket, &address);
    else if (!nameless && is_taken(socket, &address))
        err = -EADDRINUSE;
    if (err < 0)
        return err;
    socket->own = address;
    socket->port_was_chosen = is_chosen;
    if (!nameless)
        coil__list_append(&bound_sockets, &socket->bound);
    return 0;
}

void coil__sim_leave_port(struct coil__sim_socket *socket)
{
    bool has_failed = socket->type == SOCK_STREAM && socket->state == COIL__SIM_FRESH;
    if (!has_failed || !socket->port_was_chosen)
        return;
    socket->port_was_chosen = false;
    socket->own.len = 0;
    coil__list_remove(&socket->bound);
}

/* One that is connected hears only its peer. */
static bool hears(const struct coil__sim_socket *socket, const struct coil__sim_address *from)
{
    if (from == NULL)
        return socket->state == COIL__SIM_LISTENING && !socket->reads_no_more;
    return socket->state != COIL__SIM_CONNECTED || meet(&socket->other, from);
}

struct coil__sim_socket *coil__sim_find(int type, const struct sockaddr *name, socklen_t len,
                                        const struct coil__sim_address *from)
{
    struct coil__sim_address address;
    struct coil__sim_socket *found = NULL;
    unsigned count = 0;
    if (read_name(&address, name, len) < 0)
        return NULL;
    for (struct coil_link *link = bound_sockets.next; link != &bound_sockets; link = link->next) {
        struct coil__sim_socket *socket = coil__container_of(link, struct coil__sim_socket, bound);
        if (socket->type != type || !meet(&socket->own, &address) || !hears(socket, from))
            continue;
        if (coil__sim_below(++count) == 0) /* each of them with the same chance */
            found = socket;
    }
    return found;
}

static bool is_named(int type, const struct coil__sim_address *address)
{
    for (struct coil_link *link = bound_sockets.next; link != &bound_sockets; link = link->next) {
        const struct coil__sim_socket *socket =
            coil__container_of(link, struct coil__sim_socket, bound);
        if (socket->type == type && meet(&socket->own, address))
            return true;
    }
    return false;
}

int32_t coil__sim_nobody_there(int type, const struct sockaddr *name, socklen_t len)
{
    struct coil__sim_address address;
    if (name->sa_family != AF_UNIX || read_name(&address, name, len) < 0)
        return -ECONNREFUSED;
    if (is_named(type, &address))
        return type == SOCK_DGRAM ? -EPERM : -ECONNREFUSED;
    if (((const struct sockaddr_un *)&address.name)->sun_path[0] == '\0')
        return -ECONNREFUSED;
    return is_named(type == SOCK_DGRAM ? SOCK_STREAM : SOCK_DGRAM, &address) ? -EPROTOTYPE
                                                                             : -ENOENT;
}

void coil__sim_tell_name(const struct coil__sim_address *address, struct sockaddr *name,
                         socklen_t *len)
{
    if (name == NULL || len == NULL)
        return;
    memcpy(name, &address->name, *len < address->len ? *len : address->len);
    *len = address->len;
}

/* Most often no name server has answered. */
static int lookup_error(void)
{
    static const int errors[] = {EAI_AGAIN, EAI_AGAIN, EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_SYSTEM};
    int error = errors[coil__sim_below(sizeof(errors) / sizeof(errors[0]))];
    if (error == EAI_SYSTEM)
        errno = ENFILE; /* for a socket to ask by */
    return error;
}

/* Numbers, and "localhost": nobody is asked. Which addresses the machine has is of no account. */
int coil__sim_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                          struct addrinfo **found)
{
    struct addrinfo asked = {.ai_family = AF_UNSPEC, .ai_flags = AI_V4MAPPED};
    if (hints != NULL)
        asked = *hints;
    asked.ai_flags |= AI_NUMERICHOST;
    asked.ai_flags &= ~AI_ADDRCONFIG;
    if (node != NULL && strcasecmp(node, "localhost") == 0)
        node = asked.ai_family == AF_INET6 ? "::1" : "127.0.0.1";
    if (coil__sim_chance(COIL_SIM_FAULTS_HARSH, 40000))
        return lookup_error();
    return getaddrinfo(node, service, &asked, found);
}
