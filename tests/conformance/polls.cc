/* SPDX-License-Identifier: MIT */
/* What poll tells of each state. */
#include "conformance/script.h"

namespace conformance {

const Scripts kPollScripts = {
    {"PollOfAFreshSocket", R"(
        socket s inet stream
        poll s in
        poll s out
        poll s in out rdhup
        socket u unix stream
        poll u in
        poll u out
        socket d inet dgram
        poll d out
        within 3 poll d in
    )"},
    {"PollOfAConnection", R"(
        tcp c s
        poll c in out
        within 3 poll c in rdhup
        send s x
        poll c in
        poll c in out
        recv c 1
        poll c in out
    )"},
    {"PollAtHalfClose", R"(
        tcp c s
        shutdown s wr
        poll c rdhup
        poll c in out rdhup
        recv c 1
        poll c in out rdhup
        poll s out
        within 3 poll s in rdhup
        shutdown c wr
        poll c hup
        poll s rdhup
        poll s in out rdhup
    )"},
    {"PollAtShutdownOfReading", R"(
        tcp c s
        shutdown c rd
        poll c in out rdhup
        within 3 poll s in rdhup
    )"},
    {"PollAtShutdownOfBoth", R"(
        tcp c s
        shutdown c rdwr
        poll c in out rdhup
        poll s rdhup
        poll s in out rdhup
    )"},
    {"PollAtReset", R"(
        tcp c s
        linger c
        close c
        poll s hup
        poll s in out rdhup
        recv s 1
        poll s in out rdhup
    )"},
    {"PollOfUnixAtItsEnd", R"(
        unix c s
        poll s in out
        shutdown c wr
        poll s rdhup
        poll s in out rdhup
        close c
        poll s hup
        poll s in out rdhup
    )"},
    {"PollOfUnixAtShutdown", R"(
        unix c s
        shutdown c rd
        poll c in out rdhup
        poll s in out rdhup
        send s x
    )"},
    {"PollOfAPipe", R"(
        pipe r w
        within 3 poll r in
        poll w out
        write w x
        poll r in
        read r 1
        close w
        poll r in
        pipe q v
        close q
        poll v out
    )"},
    {"PollIsWoken", R"(
        tcp c s
        begin p poll s in
        settle
        done p
        send c x
        await p
        begin p poll s rdhup
        settle
        done p
        shutdown c wr
        await p
        begin p poll s hup
        settle
        cancel p
        await p
    )"},
    {"PollEndsWhenAnotherCloses", R"(
        tcp c s
        begin p poll s in
        begin q poll s hup
        settle
        close s
        await p
        await q
        poll s in
    )"},
    {"PollOfAFullWindow", R"(
        unix c s
        begin w send c *400000 waitall
        settle
        done w
        begin p poll c out
        settle
        done p
        recv s 400000 waitall
        await w
        await p
    )"},
    {"PollForNothing", R"(
        tcp c s
        begin p poll c
        settle
        done p
        linger s
        close s
        await p
    )"},
};

} // namespace conformance
