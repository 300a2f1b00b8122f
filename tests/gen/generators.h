/* SPDX-License-Identifier: MIT */
/* Generators whose bodies are lambdas, and both ways of switching to them. */
#ifndef COIL_TESTS_GEN_GENERATORS_H
#define COIL_TESTS_GEN_GENERATORS_H

#include "support/callable.h"

#include <coil.h>

extern "C" {
#include "gen/gen.h"
}

#include <functional>
#include <gtest/gtest.h>
#include <vector>

namespace coil_test {

using GenBody = std::function<int(coil_gen *)>;

inline int call_gen_body(coil_gen *gen, void *arg)
{
    return (*static_cast<GenBody *>(arg))(gen);
}

/* A generator that is closed at the end of its block, like one of COIL_GEN(). */
class Generator {
public:
    explicit Generator(GenBody body) : body_(std::move(body))
    {
        coil_gen_open(&gen_, call_gen_body, &body_);
    }
    ~Generator() { coil_gen_drop(&gen_); }
    Generator(const Generator &) = delete;
    Generator &operator=(const Generator &) = delete;

    coil_gen *get() { return &gen_; }

    /* The next number; -1 when there is none. */
    int next() { return number(coil_gen_next(&gen_)); }
    int send(const void *value) { return number(coil_gen_send(&gen_, const_cast<void *>(value))); }
    int fail(int error) { return number(coil_gen_throw(&gen_, error)); }
    int close() { return coil_gen_close(&gen_); }
    int result() const { return coil_gen_result(&gen_); }

    /* All that is left. */
    std::vector<int> rest()
    {
        std::vector<int> numbers;
        for (int number; (number = next()) >= 0;)
            numbers.push_back(number);
        return numbers;
    }

private:
    static int number(void *value) { return value != nullptr ? *static_cast<int *>(value) : -1; }

    GenBody body_;
    coil_gen gen_;
};

/* Yields a number; returns what the yield does. */
inline int yield(coil_gen *gen, int number, void **sent = nullptr)
{
    return coil_gen_yield(gen, &number, sent);
}

/* A body that yields the numbers from `first` to before `end`, and returns `result`. */
inline GenBody count(int first, int end, int result = 0)
{
    return [=](coil_gen *gen) {
        for (int i = first; i < end; i++) {
            int err = yield(gen, i);
            if (err < 0)
                return err;
        }
        return result;
    };
}

/* A body that delegates to a generator and returns its result. */
inline GenBody delegate_to(Generator *sub)
{
    return [sub](coil_gen *gen) { return coil_gen_delegate(gen, sub->get()); };
}

/* Runs the test with switches of which somebody is told, as in any program with a C++ runtime, and
 * with those of a C program. (Sanitizers are always told.) */
inline void both_ways(const Callable<void> &test)
{
    for (bool ignore : {false, true}) {
        SCOPED_TRACE(ignore ? "as in a C program" : "as in a C++ program");
        coil__gen_ignore_exceptions = ignore;
        test();
    }
    coil__gen_ignore_exceptions = false;
}

} // namespace coil_test

#endif
