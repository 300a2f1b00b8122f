/* SPDX-License-Identifier: MIT */
/*
 * Scripts of operations: what one does and finds must not depend on which driver executes it.
 *
 *     tcp c s                   makes a connection, of which c and s are the ends
 *     begin r recv s 10         starts an operation, named r
 *     send c hello
 *     await r                   and takes its result: 5 'hello'
 *     recv s 10 dontwait        starts an operation and waits for it
 *     close c
 *
 * A line is a step; each of them has one result, in words. What the verbs are is in player.cc and
 * verbs.cc. What a step waits for is made sure of by an earlier one or a poll, and never by time:
 * in a simulated world all that is sent is on its way for a while. A step's result is the kernel's
 * on every driver, unless it says otherwise:
 *
 *     await r                   | poll,sim 0: why that is no less right
 */
#ifndef COIL_TESTS_CONFORMANCE_SCRIPT_H
#define COIL_TESTS_CONFORMANCE_SCRIPT_H

#include <string>
#include <vector>

namespace conformance {

struct Script {
    const char *name;
    const char *text;
};

/* What a driver may answer as well. */
struct Leeway {
    std::string drivers, result, reason;
};

using Words = std::vector<std::string>;

struct Step {
    std::string line;
    Words words;
    std::vector<Leeway> leeways;
};

using Scripts = std::vector<Script>;
using Steps = std::vector<Step>;

/* The scripts, by what they are about. */
extern const Scripts kStreamScripts, kListenerScripts, kMessageScripts, kFileScripts, kPollScripts,
    kCancelScripts, kBufferScripts, kMistakeScripts;

/* Takes a script apart. */
Steps read_steps(const char *text);

/* Whether `driver` may answer `result` where the kernel said `reference`. */
bool may_answer(const Step &step, const std::string &driver, const std::string &result,
                const std::string &reference);

} // namespace conformance

#endif
