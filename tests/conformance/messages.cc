/* SPDX-License-Identifier: MIT */
/* Datagrams, and messages of several pieces. */
#include "conformance/script.h"

namespace conformance {

const Scripts kMessageScripts = {
    {"DatagramIsCutShort", R"(
        udp a b
        send a hello
        poll b in
        recv b 2
        recv b 10 dontwait
        send a hello
        poll b in
        recvmsg b 1,2
        send a hello
        poll b in
        recv b 2 trunc
    )"},
    {"DatagramOfNoBytes", R"(
        udp a b
        send a ''
        poll b in
        recv b 10
        send a ''
        poll b in
        recvmsg b 10
        recv b 10 dontwait
        send a x
        poll b in
        recv b 0
        recv b 10 dontwait
    )"},
    {"DatagramTellsItsSender", R"(
        socket a inet dgram
        socket b inet dgram
        bind a any
        bind b any
        sendmsg a he,llo to of:b
        recvmsg b 3,3
        sendmsg b back to of:a
        recvmsg a 10
    )"},
    {"DatagramIsPeekedAt", R"(
        udp a b
        send a hello
        poll b in
        recv b 3 peek
        recvmsg b 10 peek
        recv b 10
        recv b 10 dontwait peek
    )"},
    {"DatagramToNobody", R"(
        socket a inet dgram
        socket gone inet dgram
        bind gone any
        bind a any
        connect a of:gone
        close gone
        send a lost
        poll a err
        send a told
        send a lost
        poll a err
        recv a 10
        poll a out
    )"},
    {"DatagramWithoutDestination", R"(
        socket a inet dgram
        send a lost
        write a lost
        sendmsg a lost
        recv a 10 dontwait
        bind a any
        send a lost
        socket u unix dgram
        send u lost
    )"},
    {"DatagramTooLong", R"(
        udp a b
        send a *70000
        send a *65507
        poll b in
        recv b 70000
        send a *65508
    )"},
    {"DatagramFromAStranger", R"(
        udp a b
        socket c inet dgram
        sendmsg c stranger to of:a
        sendmsg b friend to of:a
        recv a 10
        recv a 10 dontwait
    )"},
    {"DatagramWakesWhoWaits", R"(
        udp a b
        begin r recv b 10
        settle
        done r
        send a hello
        await r
        begin r recv b 10
        cancel r
        await r
        within 5 recv b 10
        write a more
        poll b in
        read b 10
    )"},
    {"DatagramWaitAll", R"(
        udp a b
        send a abc
        recv b 10 waitall
        send a abcdef waitall
        poll b in
        recv b 10
    )"},
    {"DatagramShutdown", R"(
        udp a b
        shutdown a wr
        send a x
        shutdown b rd
        recv b 10
        poll b in
        socket c inet dgram
        shutdown c rdwr
    )"},
    {"DatagramOfUnix", R"(
        unix-dgrams a b
        send a hello
        recv b 2
        recv b 10 dontwait
        sendmsg a he,llo
        recvmsg b 10
        close b
        send a lost
        socket c unix dgram
        sendmsg c lost to @nobody
    )"},
    {"DatagramsOfUnixKeepTheirOrder", R"(
        unix-dgrams a b
        send a one
        send a two
        send a ''
        send a three
        recv b 10
        recv b 10
        recv b 10
        recv b 10
    )"},
    {"MessageOfPieces", R"(
        tcp c s
        sendmsg c ab,cde,f
        recvmsg s 1,2,3 waitall
        sendmsg c ab,'',c
        poll s in
        recvmsg s 0,2,4
        sendmsg c ''
        recvmsg s 4 dontwait
    )"},
    {"MessageIsPeekedAt", R"(
        tcp c s
        sendmsg c ab,cde
        poll s in
        recvmsg s 1,2 peek
        recvmsg s 10
        shutdown c wr
        recvmsg s 10
        recvmsg s 10 peek
    )"},
    {"MessageToAConnectedStream", R"(
        tcp c s
        sendmsg c hello to of:s
        poll s in
        recvmsg s 10
        unix u v
        sendmsg u hello to @elsewhere
        sendmsg u hello
        recvmsg v 10
    )"},
    {"MessageOfMuch", R"(
        tcp c s
        begin w sendmsg c *100000,*100000,*100000 waitall
        recvmsg s 150000,150000 waitall
        await w
    )"},
    {"MessageWithoutConnection", R"(
        socket s inet stream
        sendmsg s x
        recvmsg s 10
        send s x
        recv s 10
        socket u unix stream
        sendmsg u x
        recvmsg u 10
        send u x
        recv u 10
    )"},
};

} // namespace conformance
