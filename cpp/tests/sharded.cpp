// Batches in slices: training gives the same bits for any number of processes and threads, and on
// any instruction set. Processes are threads here, which exchange their nodes as ranks do.
#include <algorithm>
#include <barrier>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/pool.hpp"
#include "run.hpp"
#include "training.hpp"

namespace handnn {
namespace {

// The checksum is the same on every machine and every instruction set with FMA.
template <class T>
constexpr std::uint64_t expected_checksum =
    sizeof(T) == 4 ? 0xa36e991b69c989b1 : 0xf8575fb66fe0c56d;

constexpr double no_clipping = std::numeric_limits<double>::infinity();

// Appends the largest nodes below `node` that consist of the slices `mine`.
void add_nodes(std::vector<Range>& nodes, Range mine, Range node) {
  if (mine.last <= node.first || node.last <= mine.first) return;
  if (mine.first <= node.first && node.last <= mine.last) return nodes.push_back(node);
  const Size middle = (node.first + node.last) / 2;
  add_nodes(nodes, mine, {node.first, middle});
  add_nodes(nodes, mine, {middle, node.last});
}

// What one process has of a batch: P gradients and the loss, for each of its nodes.
template <class T>
struct Process {
  Sharding<T> sharding;
  std::vector<T> shares, total;
  std::vector<double> values;
};

template <class T>
class Processes {
 public:
  Processes(Size count, Size shards, Size P) : all_(size_t(count)), P_(P), meet_(count) {
    for (Size i = 0; i < count; ++i) {
      Process<T>& one = all_[size_t(i)];
      one.sharding.shards = shards;
      one.sharding.mine = {i * shards / count, (i + 1) * shards / count};
      one.sharding.nodes.clear();
      add_nodes(one.sharding.nodes, one.sharding.mine, {0, shards});
      one.shares.resize(one.sharding.nodes.size() * size_t(P));
      one.values.resize(one.sharding.nodes.size());
      one.total.resize(size_t(P));
      one.sharding.shares = one.shares.data();
      one.sharding.values = one.values.data();
      one.sharding.total = one.total.data();
      one.sharding.sum = [this, &one](Size N, double& loss) {
        meet_.arrive_and_wait();
        loss = sum({0, one.sharding.shards}, N, one.total);
        meet_.arrive_and_wait();
        return false;
      };
    }
  }

  const Sharding<T>& sharding(Size i) const { return all_[size_t(i)].sharding; }

 private:
  // out (P) = the gradients of a node that has rows; returns its part of the loss.
  double sum(Range node, Size N, std::vector<T>& out) const {
    for (const Process<T>& one : all_) {
      for (size_t k = 0; k < one.values.size(); ++k) {
        const Range known = one.sharding.nodes[k];
        if (known.first != node.first || known.last != node.last) continue;
        std::copy_n(one.shares.data() + Size(k) * P_, P_, out.data());
        return one.values[k];
      }
    }
    const Size middle = (node.first + node.last) / 2;
    const Range left = {node.first, middle}, right = {middle, node.last};
    if (is_empty(left, N)) return sum(right, N, out);
    const double value = sum(left, N, out);
    if (is_empty(right, N)) return value;
    std::vector<T> other(out.size());
    const double more = sum(right, N, other);
    for (size_t i = 0; i < out.size(); ++i) out[i] += other[i];
    return value + more;
  }

  bool is_empty(Range node, Size N) const {
    const Range rows = all_[0].sharding.rows_of(node, N);
    return rows.first == rows.last;
  }

  std::vector<Process<T>> all_;
  Size P_;
  std::barrier<> meet_;
};

template <class T>
Size params_of(const Training<T>& training) {
  Size count = 0;
  for (const Brick<T>& brick : training.bricks) count += brick.w.size + brick.b.size;
  return count;
}

// Trains in slices, and returns the checksum of the weights; 0 if the processes differ.
template <class T>
std::uint64_t trained(Size processes, Size shards, double clip_norm = no_clipping) {
  std::vector<Training<T>> trainings(static_cast<size_t>(processes));
  Processes<T> exchange(processes, shards, params_of(trainings[0]));
  const auto train_one = [&](Size i) {
    Training<T>& one = trainings[size_t(i)];
    Sharding<T> sharding = exchange.sharding(i);
    if (processes == 1) sharding.sum = nullptr;
    TrainingProgram<T> program(active_kernels<T>(), CheckedBricks<T>(one.bricks), one.mse_loss(),
                               nesterov(), clip_norm, one.batch_size, 0, sharding);
    const TrainingResult result =
        train<T>(program, {one.x.data(), one.y.data(), one.weight.data(), one.rows},
                 {one.batch_size, one.rows, 7, false}, {3, 0}, nullptr, [] { return false; });
    check(result.epochs.size() == 3 && result.epochs[2].loss < result.epochs[0].loss, "it learns");
  };
  std::vector<std::thread> threads;
  for (Size i = 1; i < processes; ++i) threads.emplace_back(train_one, i);
  train_one(0);
  for (std::thread& thread : threads) thread.join();
  for (const Training<T>& one : trainings) {
    if (one.checksum() != trainings[0].checksum()) return 0;
  }
  return trainings[0].checksum();
}

template <class T>
void check_processes(const std::string& dtype) {
  for (Size shards : {2, 8, 11, 64}) {  // batches have 40 and 20 rows
    for (const double clip_norm : {no_clipping, 0.5}) {
      std::set<std::uint64_t> checksums;
      for (int threads : {1, 2}) {
        set_num_threads(threads);
        for (Size processes : {1, 2, 3, 8}) {
          if (processes <= shards) checksums.insert(trained<T>(processes, shards, clip_norm));
        }
      }
      const std::string what = dtype + ", " + std::to_string(shards) + " slices";
      check(checksums.size() == 1, what + ": weights depend on the processes or the threads");
      check(!checksums.contains(0), what + ": processes have different weights");
    }
  }
}

template <class T>
void check_checksum(const std::string& dtype) {
  Training<T> usual;
  usual.train(3);
  check(trained<T>(1, 1) == usual.checksum(), dtype + ": one slice is a batch");
  const std::uint64_t checksum = trained<T>(1, 8);
  check(checksum != usual.checksum(), dtype + ": slices are summed in another order");
  const std::string isa = active_isa().name;
  std::printf("%-4s %s: checksum of the weights from 8 slices %016llx\n", isa.c_str(),
              dtype.c_str(), static_cast<unsigned long long>(checksum));
  check(isa == "v2" || checksum == expected_checksum<T>, dtype + ": other weights");
}

}  // namespace
}  // namespace handnn

int run(const char*, int, char**) {
  using namespace handnn;
  check_processes<float>("float32");
  check_processes<double>("float64");
  check_checksum<float>("float32");
  check_checksum<double>("float64");
  return !good;
}
