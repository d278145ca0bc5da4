// Whether a step is shared between threads or taken by one alone: whichever is faster at the time.
//
// Where other processes want the CPUs, a step that is shared waits for threads that do not run. So
// some steps are taken the other way now and then, and the faster way is kept for longer and longer
// as long as it stays the faster one. The bits do not depend on it.
#pragma once

#include <algorithm>
#include <chrono>

namespace handnn {

class Sharing {
 public:
  // Whether the next step is shared. The first ones are.
  bool shares() const { return shares_; }

  void begin_step() { begin_ = Clock::now(); }
  void end_step() { took(std::chrono::duration<double>(Clock::now() - begin_).count()); }

  // To be called after each step, with its duration.
  void took(double seconds) {
    spent_ += seconds;
    ++steps_;
    const double each = spent_ / steps_;
    const bool is_lost = is_trial_ && spent_ > lost_seconds && each > lost_ratio * usual_;
    if (spent_ < (is_trial_ ? trial_seconds : patience_) && !is_lost) return;
    if (is_trial_) {
      // A trial takes a small part of the time, however long the steps are.
      const double least = std::max(least_patience, least_patience / trial_seconds * spent_);
      const bool is_faster = each < usual_;
      patience_ = is_faster ? least : std::clamp(2 * patience_, least, 16 * least);
      is_trial_ = false;
      if (!is_faster) shares_ = !shares_;
    } else {
      usual_ = each;
      is_trial_ = true;
      shares_ = !shares_;
    }
    spent_ = 0;
    steps_ = 0;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // A trial is longer than the time for which a scheduler lets another process run.
  static constexpr double trial_seconds = 0.01, least_patience = 0.1;
  // A trial ends earlier if it is so much slower after this time.
  static constexpr double lost_seconds = 0.002, lost_ratio = 1.25;

  bool shares_ = true, is_trial_ = false;
  double patience_ = trial_seconds;  // until the next trial, in seconds of steps
  double usual_ = 0;                 // the seconds of a step before the trial
  double spent_ = 0, steps_ = 0;     // since the way was chosen
  Clock::time_point begin_;
};

}  // namespace handnn
