/* SPDX-License-Identifier: MIT */
/* Connecting and accepting, and the end of a listener. */
#include "conformance/script.h"

namespace conformance {

const Scripts kListenerScripts = {
    {"ConnectIsRefused", R"(
        socket taken inet stream
        bind taken any
        socket c inet stream
        connect c of:taken
        poll c hup
        recv c 10 | poll,sim -ENOTCONN: what a socket is good for that failed to connect, is open
        send c x
    )"},
    {"ConnectIsRefusedAndThenNot", R"(
        socket l inet stream
        bind l any
        socket c inet stream
        connect c of:l
        listen l 4
        connect c of:l
        accept l s
        send c hello
        recv s 5 waitall
    )"},
    {"ConnectThatIsRefusedLeavesThePortThatItWasGiven", R"(
        socket taken inet stream
        bind taken any
        socket c inet stream
        connect c of:taken
        bind c any
        bind c any
        connect c of:taken
        bind c any
    )"},
    {"ConnectSixIsRefused", R"(
        socket taken inet6 stream
        bind taken any6
        socket c inet6 stream
        connect c of:taken
    )"},
    {"ConnectToAUnixNameOfNobody", R"(
        socket c unix stream
        connect c @nobody
        connect c nofile
        socket l unix stream
        bind l @somebody
        connect c @somebody
        listen l 1
        connect c @somebody
        accept l s
    )"},
    {"ConnectToAUnixFile", R"(
        socket l unix stream
        bind l name
        listen l 1
        socket c unix stream
        connect c name
        accept l s
        send s hello
        recv c 10
        socket other unix stream
        bind other name
    )"},
    {"ConnectToTheWrongFamily", R"(
        socket l inet stream
        bind l any
        listen l 1
        socket c unix stream
        connect c of:l
        socket c6 inet6 stream
        connect c6 short
        socket c4 inet stream
        connect c4 short
        connect c4 @name
    )"},
    {"ConnectOfAListener", R"(
        socket l inet stream
        bind l any
        listen l 1
        socket m inet stream
        bind m any
        listen m 1
        connect m of:l
        connect l of:l
    )"},
    {"ConnectBeforeAccept", R"(
        socket l inet stream
        bind l any
        listen l 4
        socket c inet stream
        connect c of:l
        send c early
        poll l in
        accept l s
        recv s 5 waitall
    )"},
    {"ConnectionsComeInTheirOrder", R"(
        socket l inet stream
        bind l any
        listen l 4
        socket a inet stream
        socket b inet stream
        connect a of:l
        connect b of:l
        send a one
        send b two
        accept l s
        accept l t
        recv s 3 waitall
        recv t 3 waitall
    )"},
    {"AcceptTellsWho", R"(
        socket l inet stream
        bind l any
        listen l 4
        begin w accept l s
        socket c inet stream
        connect c of:l
        await w
        close s
        socket u unix stream
        bind u @listener
        listen u 4
        socket d unix stream
        bind d @dialler
        connect d @listener
        accept u t
    )"},
    {"AcceptOfWhatDoesNotListen", R"(
        socket s inet stream
        accept s a
        bind s any
        accept s a
        tcp c d
        accept d a
        socket u unix stream
        accept u a
        socket g inet dgram
        accept g a
    )"},
    {"AcceptEndsWithShutdown", R"(
        socket l inet stream
        bind l any
        listen l 4
        begin w accept l s
        settle
        done w
        shutdown l rdwr
        await w
        accept l s
    )"},
    {"AcceptEndsWithShutdownOfUnix", R"(
        socket l unix stream
        bind l @l
        listen l 4
        begin w accept l s
        settle
        shutdown l rdwr
        await w
        accept l s
        socket c unix stream
        connect c @l
    )"},
    {"AcceptAfterShutdownAndListen", R"(
        socket l inet stream
        bind l any
        listen l 4
        shutdown l rd
        listen l 4
        socket c inet stream
        connect c of:l
        accept l s
    )"},
    {"AcceptIsCancelled", R"(
        socket l inet stream
        bind l any
        listen l 4
        begin w accept l s
        cancel w
        await w
        within 5 accept l s
        socket c inet stream
        connect c of:l
        accept l s
    )"},
    {"AcceptAfterClose", R"(
        socket l inet stream
        bind l any
        listen l 4
        begin w accept l s
        settle
        close l
        await w
        accept l s
    )"},
    {"ListenerClosesBeforeAccept", R"(
        socket l inet stream
        bind l any
        listen l 4
        socket c inet stream
        connect c of:l
        close l
        poll c hup
        recv c 10
        recv c 10
        send c x
    )"},
    {"ListenerClosesWithDataUnread", R"(
        socket l inet stream
        bind l any
        listen l 4
        socket c inet stream
        connect c of:l
        send c early
        begin r recv c 10
        settle
        done r
        close l
        await r
    )"},
    {"ListenerOfUnixClosesBeforeAccept", R"(
        socket l unix stream
        bind l @l
        listen l 4
        socket c unix stream
        connect c @l
        close l
        poll c hup
        recv c 10
        recv c 10
        send c x
    )"},
    {"ListenerShutsDownBeforeAccept", R"(
        socket l inet stream
        bind l any
        listen l 4
        socket c inet stream
        connect c of:l
        poll l in
        shutdown l rdwr
        poll c hup
        recv c 10
        accept l s
    )"},
    {"ListenerIsPolled", R"(
        socket l inet stream
        bind l any
        listen l 4
        begin p poll l in out
        settle
        done p
        socket c inet stream
        connect c of:l
        await p
        accept l s
        poll s out
    )"},
    {"ListenWithoutName", R"(
        socket l inet stream
        listen l 4
        socket c inet stream
        connect c of:l
        accept l s
        listen l 2
        listen c 4
        socket u unix stream
        listen u 4
        socket g inet dgram
        listen g 4
    )"},
    {"ListenOfUnixWithAFullQueue", R"(
        socket l unix stream
        bind l @l
        listen l 0
        socket a unix stream
        socket b unix stream
        connect a @l
        begin w connect b @l
        settle
        done w
        accept l s
        await w
        accept l t
    )"},
    {"NamesAreTaken", R"(
        socket a inet stream
        socket b inet stream
        bind a any
        bind b of:a
        bind a any
        socket d inet dgram
        bind d of:a
        listen a 4
        listen b 4
        close a
        bind b short
    )"},
    {"NamesOfTheWrongFamily", R"(
        socket a inet stream
        bind a @name
        bind a any6
        socket b unix stream
        bind b any
        bind b @b
        socket c unix stream
        bind c @b
        bind b @c
    )"},
    {"NamesAreShared", R"(
        socket a inet stream
        socket b inet stream
        socket c inet stream
        reuseport a
        reuseport b
        bind a any
        bind b of:a
        bind c of:a
        listen a 4
        listen b 4
    )"},
    {"AcceptorTakesAll", R"(
        socket l inet stream
        bind l any
        listen l 8
        acceptor x l
        socket a inet stream
        socket b inet stream
        connect a of:l
        connect b of:l
        next-conn x s
        next-conn x t
        send a one
        recv s 3 waitall
        within 5 next-conn x none
        end-acceptor x
        socket d inet stream
        connect d of:l
        accept l u
    )"},
    {"AcceptorEndsWithItsListener", R"(
        socket l inet stream
        bind l any
        listen l 8
        acceptor x l
        socket a inet stream
        connect a of:l
        next-conn x s
        shutdown l rdwr
        next-conn x t
        end-acceptor x
    )"},
    {"AcceptorLosesItsNumber", R"(
        socket l inet stream
        bind l any
        listen l 8
        acceptor x l
        within 2 next-conn x s
        close l
        next-conn x s
        end-acceptor x
    )"},
    {"AcceptorOfWhatDoesNotListen", R"(
        socket l inet stream
        acceptor x l
        next-conn x s
        end-acceptor x
        tcp c d
        acceptor y d
        next-conn y s
        end-acceptor y
    )"},
};

} // namespace conformance
