/* SPDX-License-Identifier: MIT */
/* Giving up: before, while it waits, and when it has happened. */
#include "conformance/script.h"

namespace conformance {

const Scripts kCancelScripts = {
    {"CancelOfWhatWaits", R"(
        tcp c s
        begin r recv s 10
        settle
        cancel r
        await r
        begin r recvmsg s 10
        settle
        cancel r
        cancel r
        await r
        begin r read s 10
        settle
        cancel r
        await r
        begin r readv s 5,5
        settle
        cancel r
        await r
        begin r poll s in
        settle
        cancel r
        await r
        send c hello
        recv s 5 waitall
    )"},
    {"CancelOfAHeldSend", R"(
        tcp c s
        begin w send_zc c hello
        settle
        cancel w
        await w
        recv s 5 waitall
        begin w send_zc c *300000 waitall
        cancelled send_zc c x
        recv s 300000 waitall
        await w
    )"},
    {"CancelAtOnce", R"(
        tcp c s
        begin r recv s 10
        cancel r
        await r
        begin r poll s in
        cancel r
        await r
        begin r read s 10
        cancel r
        await r
        begin r recvmsg s 10
        cancel r
        await r
        begin r sleep 1000
        cancel r
        await r
    )"},
    {"CancelAfterItHappened", R"(
        tcp c s
        begin r recv s 10
        send c hello
        settle
        cancel r
        await r
        begin p poll s out
        settle
        cancel p
        await p
        begin z sleep 1
        settle
        cancel z
        await z
        begin n nop
        settle
        cancel n
        await n
    )"},
    {"CancelAfterAPart", R"(
        tcp c s
        begin r recv s 10 waitall
        send c abc
        settle
        done r
        cancel r
        await r
        send c def
        recv s 3 waitall
    )"},
    {"CancelOfASendAfterAPart", R"(
        unix c s
        begin w send c *1000000 waitall
        settle
        done w
        cancel w
        settle
        done w
        drop w
        recv s 8
    )"},
    {"CancelOfAPipe", R"(
        pipe r w
        begin a read r 10
        settle
        cancel a
        await a
        begin a read r 10
        begin b read r 10
        settle
        cancel a
        await a
        write w x
        await b
    )"},
    {"CancelByClose", R"(
        tcp c s
        begin r recv s 10
        begin p poll s hup
        settle
        close s
        await r
        await p
        recv s 10
    )"},
    {"CancelledCallsAreRefused", R"(
        tcp c s
        cancelled recv s 10
        cancelled send c x
        cancelled send_zc c x
        cancelled poll s out
        cancelled nop
        cancelled sleep 1
        cancelled socket n inet stream
        cancelled shutdown c wr
        within 3 recv s 10
    )"},
    {"CancelledCloseCloses", R"(
        tcp c s
        cancelled close c
        poll s rdhup
        recv s 10
        recv c 10
    )"},
    {"DropWhatWaits", R"(
        tcp c s
        begin r recv s 10
        settle
        drop r
        send c hello
        recv s 5 waitall
        socket l inet stream
        bind l any
        listen l 4
        begin a accept l t
        settle
        drop a
        socket d inet stream
        connect d of:l
        accept l t
    )"},
    {"DropAConnectionThatWasMade", R"(
        socket l inet stream
        bind l any
        listen l 4
        begin a accept l t
        socket d inet stream
        connect d of:l
        settle
        done a
        drop a
        poll d rdhup
        recv d 10
    )"},
    {"DeadlinesStopWhatWaits", R"(
        tcp c s
        within 3 recv s 10
        within 3 poll s in
        within 3 sleep 1000
        within 1000 nop
        within 1000 sleep 1
        send c hello
        within 1000 recv s 5 waitall
        within 3 recvmsg s 10
        pipe r w
        within 3 read r 1
    )"},
    {"DeadlinesOfReceivesInTheirOrder", R"(
        tcp c s
        begin a sleep 1
        begin b sleep 2
        begin d sleep 30000
        within 50 await b
        done a
        await a
        done d
        cancel d
        await d
    )"},
};

} // namespace conformance
