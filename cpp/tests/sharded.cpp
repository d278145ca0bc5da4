// Batches in slices: training gives the same bits for any number of processes and threads, and on
// any instruction set. Processes are threads here, which exchange their nodes as ranks do.
//   sharded_v3          every number of slices
//   sharded_v3 --few    one number of them, for sanitizers, an emulated CPU and further sets
#include <algorithm>
#include <barrier>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "engine/pool.hpp"
#include "run.hpp"
#include "training.hpp"

namespace handnn {
namespace {

// The checksum is the same on every machine and every instruction set with FMA.
template <class T>
constexpr std::uint64_t expected_checksum =
    sizeof(T) == 4 ? 0x862a9000a1693ff8 : 0x2e3a217d5f63870f;
template <class T>
constexpr std::uint64_t expected_with_norms =
    sizeof(T) == 4 ? 0xbca0d55b8dc61fd7 : 0x3e34832dec1c1a9f;

constexpr double no_clipping = std::numeric_limits<double>::infinity();

// Appends the largest nodes below `node` that consist of the slices `mine`.
void add_nodes(std::vector<Range>& nodes, Range mine, Range node) {
  if (mine.last <= node.first || node.last <= mine.first) return;
  if (mine.first <= node.first && node.last <= mine.last) return nodes.push_back(node);
  const Size middle = (node.first + node.last) / 2;
  add_nodes(nodes, mine, {node.first, middle});
  add_nodes(nodes, mine, {middle, node.last});
}

// The training of training.hpp with a BatchNorm as the first brick, and one after the first affine.
template <class T>
class NormedTraining : public Training<T> {
 public:
  NormedTraining() {
    add_norm(0, 0, 600);
    add_norm(2, 1, 40);
  }

  // FNV-1a over the bits of all weights, and then of the running statistics.
  std::uint64_t checksum() const {
    std::uint64_t sum = Training<T>::checksum();
    for (const auto& arrays : arrays_) {
      for (const std::vector<T>& running : {arrays[4], arrays[5]}) {
        for (const T value : running) {
          using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
          sum = (sum ^ std::bit_cast<Bits>(value)) * 0x100000001b3;
        }
      }
    }
    return sum;
  }

 private:
  void add_norm(Size place, size_t norm, Size O) {
    std::vector<T>* a = arrays_[norm];
    for (size_t i = 0; i < 6; ++i) a[i].assign(size_t(O), T(i == 0 || i == 5 ? 1 : 0));
    Brick<T> brick = {
        Kind::batch_norm, O, O, {a[0].data(), O, {a[2].data()}}, {a[1].data(), O, {a[3].data()}}};
    brick.setting = T(1e-5);
    brick.momentum = T(0.1);
    brick.running_mean = a[4].data();
    brick.running_var = a[5].data();
    this->bricks.insert(this->bricks.begin() + place, brick);
  }

  std::vector<T> arrays_[2][6];
};

// What one process has of a batch: P gradients and the loss, for each of its nodes, and two sums or
// statistics of each column of a BatchNorm.
template <class T>
struct Process {
  Sharding<T> sharding;
  std::vector<T> shares, total, column_shares, column_total;
  std::vector<double> values;
};

template <class T>
class Processes {
 public:
  static constexpr Size most_columns = 600;

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
      one.column_shares.resize(one.sharding.nodes.size() * 2 * most_columns);
      one.column_total.resize(2 * most_columns);
      one.sharding.column_shares = one.column_shares.data();
      one.sharding.column_total = one.column_total.data();
      one.sharding.sum = [this, &one](Size N, double& loss) {
        meet_.arrive_and_wait();
        loss = sum({0, one.sharding.shards}, N, one.total);
        meet_.arrive_and_wait();
        return false;
      };
      one.sharding.sum_columns = [this, &one](Size N, Size O, bool are_statistics) {
        meet_.arrive_and_wait();
        sum_columns({0, one.sharding.shards}, N, O, are_statistics, one.column_total);
        meet_.arrive_and_wait();
        return true;
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

  // The same for two sums or statistics of each of O columns.
  void sum_columns(Range node, Size N, Size O, bool are_statistics, std::vector<T>& out) const {
    for (const Process<T>& one : all_) {
      for (size_t k = 0; k < one.values.size(); ++k) {
        const Range known = one.sharding.nodes[k];
        if (known.first != node.first || known.last != node.last) continue;
        std::copy_n(one.column_shares.data() + Size(k) * 2 * O, 2 * O, out.data());
        return;
      }
    }
    const Size middle = (node.first + node.last) / 2;
    const Range left = {node.first, middle}, right = {middle, node.last};
    if (is_empty(left, N)) return sum_columns(right, N, O, are_statistics, out);
    sum_columns(left, N, O, are_statistics, out);
    if (is_empty(right, N)) return;
    std::vector<T> more(out.size());
    sum_columns(right, N, O, are_statistics, more);
    if (are_statistics) {
      const T share = T(rows(right, N)) / T(rows(left, N) + rows(right, N));
      active_kernels<T>().batch_norm_merge(out.data(), out.data() + O, more.data(), more.data() + O,
                                           share, {0, O});
    } else {
      for (Size i = 0; i < 2 * O; ++i) out[size_t(i)] += more[size_t(i)];
    }
  }

  Size rows(Range node, Size N) const {
    const Range found = all_[0].sharding.rows_of(node, N);
    return found.last - found.first;
  }

  bool is_empty(Range node, Size N) const { return rows(node, N) == 0; }

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
template <class T, template <class> class Trained = Training>
std::uint64_t trained(Size processes, Size shards, double clip_norm = no_clipping) {
  std::vector<Trained<T>> trainings(static_cast<size_t>(processes));
  Processes<T> exchange(processes, shards, params_of(trainings[0]));
  const auto train_one = [&](Size i) {
    Trained<T>& one = trainings[size_t(i)];
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
  for (const Trained<T>& one : trainings) {
    if (one.checksum() != trainings[0].checksum()) return 0;
  }
  return trainings[0].checksum();
}

template <class T, template <class> class Trained = Training>
void check_processes(const std::string& dtype, const std::vector<Size>& all_shards) {
  for (Size shards : all_shards) {  // batches have 40 and 20 rows
    for (const double clip_norm : {no_clipping, 0.5}) {
      if (clip_norm == 0.5 && shards != 11) continue;  // once is enough for clipping
      std::set<std::uint64_t> checksums;
      for (int threads : {1, 2}) {
        set_num_threads(threads);
        for (Size processes : {1, 2, 3, 8}) {
          if (processes > shards) continue;
          checksums.insert(trained<T, Trained>(processes, shards, clip_norm));
        }
      }
      const std::string what = dtype + ", " + std::to_string(shards) + " slices";
      check(checksums.size() == 1, what + ": weights depend on the processes or the threads");
      check(!checksums.contains(0), what + ": processes have different weights");
    }
  }
}

template <class T, template <class> class Trained = Training>
void check_checksum(const std::string& what, std::uint64_t expected) {
  Trained<T> usual;
  usual.train(3);
  check(trained<T, Trained>(1, 1) == usual.checksum(), what + ": one slice is a batch");
  const std::uint64_t checksum = trained<T, Trained>(1, 8);
  check(checksum != usual.checksum(), what + ": slices are summed in another order");
  const std::string isa = active_isa().name;
  std::printf("%-4s %s: checksum of the weights from 8 slices %016llx\n", isa.c_str(), what.c_str(),
              static_cast<unsigned long long>(checksum));
  check(isa == "v2" || checksum == expected, what + ": other weights");
}

template <class T>
void check_all(const std::string& dtype, bool few) {
  const std::vector<Size> shards = few ? std::vector<Size>{11} : std::vector<Size>{2, 8, 11, 64};
  check_processes<T>(dtype, shards);
  check_processes<T, NormedTraining>(dtype + " with norms", shards);
  check_checksum<T>(dtype, expected_checksum<T>);
  check_checksum<T, NormedTraining>(dtype + " with norms", expected_with_norms<T>);
}

}  // namespace
}  // namespace handnn

int run(const char*, int argc, char** argv) {
  using namespace handnn;
  const bool few = argc > 1 && std::strcmp(argv[1], "--few") == 0;
  check_all<float>("float32", few);
  check_all<double>("float64", few);
  return !good;
}
