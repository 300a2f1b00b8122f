/* SPDX-License-Identifier: MIT */
/* What a server has: acceptors, receivers, listeners, and a stop. */
#include "sweep/scenario.h"

#include <cerrno>

namespace coil_test {
namespace {

/* An acceptor waits for memory as it does for descriptors: also where none will come. */
constexpr int64_t kPatience = 2 * COIL_SEC;

/* Clients of a server: each connects, and waits for the end of the stream. */
int visit(const Address &address)
{
    Owned connection;
    char byte;
    int err = connect_to(connection, address);
    return err < 0 ? err : int(coil_recv(connection, &byte, 1, 0));
}

int accept_some(int listener, int count)
{
    coil_acceptor acceptor = COIL_ZERO;
    coil_acceptor_open(&acceptor, listener, 0);
    int err = 0;
    for (int i = 0; i < count && err == 0; i++) {
        Owned connection(coil_acceptor_next(&acceptor));
        err = connection < 0 ? connection : 0;
    }
    coil_acceptor_close(&acceptor);
    return err;
}

int visit_often(const Address &address)
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++)
        err = children.spawn(scope, [&] { return visit(address); });
    return coil_scope_close(&scope, err);
}

/* Without memory for a connection it refuses that: it then waits for one more than come. */
int acceptor()
{
    Owned listener, untaken;
    Address address;
    int err = listen_anywhere(listener, address);
    if (err < 0)
        return err;
    Children children;
    COIL_SCOPE(scope, coil_after(kPatience));
    err = children.spawn(scope, [&] { return accept_some(listener, 100); });
    if (err == 0)
        err = visit_often(address);
    if (err == 0)
        err = connect_to(untaken, address);
    if (err == 0)
        coil_scope_cancel(&scope);
    return coil_scope_close(&scope, err);
}

/* Sends back what it gets. */
int reply_to_all(int fd)
{
    coil_receiver receiver;
    coil_receiver_open(&receiver, fd);
    int err = 0;
    while (err == 0) { /* ends with the stream */
        void *data;
        auto len = int(coil_receiver_next(&receiver, &data));
        if (len <= 0) {
            err = len;
            break;
        }
        err = coil_receiver_reply(&receiver, data, size_t(len));
    }
    coil_receiver_close(&receiver);
    return err;
}

/* More than the core has buffers for at once. */
int receiver()
{
    Owned left, right;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    err = children.spawn(scope, [&] {
        int result = reply_to_all(right);
        right.reset(-1); /* so that the other end is not left waiting */
        return result;
    });
    std::string said(3000, 's'), heard(3000, '\0');
    if (err == 0)
        err = int(coil_send_all(left, said.data(), said.size(), 0));
    if (err >= 0)
        err = int(coil_recv_all(left, &heard[0], heard.size(), 0));
    if (err >= 0)
        err = size_t(err) == said.size() && heard == said ? 0 : -EPIPE;
    if (err == 0)
        err = coil_shutdown(left, SHUT_WR);
    return coil_scope_close(&scope, err);
}

/* Buffers that are lent out are given back late. */
int lent_buffers()
{
    Owned left, right;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    char text[] = "some text";
    coil_receiver receiver;
    coil_receiver_open(&receiver, right);
    void *lent[3] = {};
    auto moved = 0;
    for (int i = 0; i < 3 && moved >= 0; i++) {
        moved = int(coil_send_all(left, text, sizeof(text), 0));
        if (moved >= 0)
            moved = int(coil_receiver_next(&receiver, &lent[i]));
    }
    coil_receiver_close(&receiver);
    for (void *data : lent) {
        if (data != nullptr)
            coil_buffer_release(data);
    }
    return moved < 0 ? moved : moved == sizeof(text) ? 0 : kWrong;
}

int serve_core(coil_listener &listener)
{
    int fd;
    while ((fd = coil_listener_next(&listener)) >= 0) {
        coil_close(fd);
        coil_listener_done(&listener);
    }
    coil_listener_leave(&listener);
    return fd == -EPIPE ? -ECANCELED : fd; /* the core that accepts has left before */
}

/* Without memory for a connection it is refused, which its client takes for the end. */
int serve_and_visit(coil_listener &listener)
{
    Address address;
    socklen_t len = sizeof(address.name);
    int err = coil_listener_address(&listener, reinterpret_cast<sockaddr *>(&address.name), &len);
    Children children;
    COIL_SCOPE(scope, coil_after(kPatience));
    for (unsigned core = 0; core < 2 && err == 0; core++)
        err = children.spawn_on(scope, core, [&] { return serve_core(listener); });
    if (err == 0)
        err = visit_often(address);
    if (err == 0)
        coil_scope_cancel(&scope);
    return coil_scope_close(&scope, err);
}

int listen_with(coil_balance balance)
{
    Address address = any_port();
    coil_listener listener;
    int err = coil_listener_open(&listener, address.get(), sizeof(address.name), 16, balance);
    if (err < 0)
        return err;
    err = serve_and_visit(listener);
    coil_listener_destroy(&listener);
    return err;
}

int listener_of_each()
{
    return listen_with(COIL_BALANCE_KERNEL);
}

int listener_of_one()
{
    return listen_with(COIL_BALANCE_LEAST);
}

/* One core accepts, the other one waits for the end. */
int stop()
{
    Owned listener;
    Address address;
    int err = listen_anywhere(listener, address);
    if (err < 0)
        return err;
    Children children;
    COIL_SCOPE(scope, coil_after(kPatience));
    err = children.spawn(scope, [&] {
        int result = accept_some(listener, 100);
        return result == -ESHUTDOWN ? 0 : result;
    });
    if (err == 0)
        err = children.spawn_on(scope, 1, [] { return coil_stop_wait(); });
    if (err == 0)
        err = visit(address);
    coil_stop(COIL_FOREVER);
    return coil_scope_close(&scope, err);
}

} // namespace

const std::vector<Scenario> kServerScenarios = {
    {"acceptor", 1, acceptor, "kps", {-ETIMEDOUT}},
    {"receiver", 1, receiver, "kpsl", {-EPIPE, -ECONNRESET}},
    {"lent_buffers", 1, lent_buffers, "kps"},
    {"listener_of_each", 2, listener_of_each, "kps", {-ECONNRESET, -ECONNREFUSED, -ETIMEDOUT}},
    {"listener_of_one", 2, listener_of_one, "kps", {-ECONNRESET, -EPIPE, -ETIMEDOUT}},
    {"stop", 2, stop, "kps", {-ECONNRESET, -ETIMEDOUT}},
};

} // namespace coil_test
