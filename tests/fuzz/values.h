/* SPDX-License-Identifier: MIT */
/* Values that go through channels, each of which arrives once or not at all. */
#ifndef COIL_TESTS_FUZZ_VALUES_H
#define COIL_TESTS_FUZZ_VALUES_H

#include "input.h"

#include <vector>

namespace coil_fuzz {

/* One, as channels copy it: torn or scribbled on, it is no value. */
struct Value {
    uint32_t number, again;
};

class Values {
public:
    Value offer()
    {
        known_.push_back({});
        return of(known_.size() - 1);
    }

    void sent(Value value) { at(value).sent = true; }

    void refused(Value value)
    {
        at(value).refused = true;
        expect(!at(value).arrived, "a value whose send failed does not arrive", value.number);
    }

    /* Received, or disposed of. */
    void arrived(Value value)
    {
        expect(!at(value).arrived, "a value arrives once", value.number);
        expect(!at(value).refused, "a value whose send failed does not arrive", value.number);
        at(value).arrived = true;
    }

    /* When all channels are gone. */
    void expect_all_arrived() const
    {
        for (size_t i = 0; i < known_.size(); i++)
            expect(!known_[i].sent || known_[i].arrived, "a value that was sent arrives",
                   int64_t(i));
    }

private:
    struct Fate {
        bool sent, refused, arrived;
    };

    std::vector<Fate> known_;

    static Value of(size_t number) { return {uint32_t(number), ~uint32_t(number)}; }

    Fate &at(Value value)
    {
        expect(value.again == ~value.number && value.number < known_.size(),
               "a value is one that was offered", value.number);
        return known_[value.number];
    }
};

} // namespace coil_fuzz

#endif
