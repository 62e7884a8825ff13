// Tests of the parts that need no Metal. Build them with the thread sanitizer:
//   c++ -std=c++17 -fsanitize=thread -pthread src/core/*.cpp -o core_test && ./core_test

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "EncoderLock.h"
#include "SlotTable.h"
#include "SubmitOrder.h"
#include "ThreadSlot.h"

namespace {

using namespace streampool;

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "core_test: %s\n", what);
    std::exit(1);
  }
}

void encoderLockExcludes() {
  auto record = std::make_shared<EncoderRecord>();
  long written = 0;  // not atomic on purpose: the lock must be enough
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&record, &written] {
      for (int i = 0; i < 2000; ++i) {
        EncoderLock lock(record);
        ++written;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  require(written == 16000, "the encoder lock lets two threads in");
  require(EncoderLock::heldByThisThread() == 0, "a lock is still counted as held");
}

void slotsAreUnique() {
  SlotTable table(4);
  require(table.acquire() == 0u && table.acquire() == 1u, "slots are handed out in order");
  require(table.release(0) && !table.release(0), "a double release goes unnoticed");
  require(!table.release(99), "a slot that does not exist can be released");
  require(table.acquire() == 0u && table.inUse() == 2, "a returned slot is not used again");
}

void threadsGiveSlotsBack() {
  SlotTable table(8);
  poolBegins(&table);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([] {
        const std::size_t slot = ThreadSlot::ofThisThread();
        require(slot != ThreadSlot::kNone, "8 threads do not get 8 slots");
        require(slot == ThreadSlot::ofThisThread(), "a thread changes its slot");
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    require(table.inUse() == 0, "a thread ended and kept its slot");
  }
  poolEnds();
}

void threadOutlivesPool() {
  auto table = std::make_unique<SlotTable>(1);
  poolBegins(table.get());
  std::atomic<int> step{0};
  std::thread late([&step] {
    require(ThreadSlot::ofThisThread() == 0, "the only thread gets no slot");
    step.store(1);
    while (step.load() != 2) {
      std::this_thread::yield();
    }
  });
  while (step.load() != 1) {
    std::this_thread::yield();
  }
  poolEnds();
  table.reset();
  step.store(2);  // the thread ends now, and must not touch the table
  late.join();
}

void orderIsKept() {
  using Call = SubmitOrder::Call;
  SubmitOrder order;
  require(order.note(Call::openEncoder) && !order.note(Call::commit), "commit while encoding");
  require(order.note(Call::endEncoding) && order.note(Call::addHandler), "handler refused");
  require(order.note(Call::commit) && !order.note(Call::addHandler), "handler after commit");
}

}  // namespace

int main() {
  encoderLockExcludes();
  slotsAreUnique();
  threadsGiveSlotsBack();
  threadOutlivesPool();
  orderIsKept();
  std::puts("core_test: ok");
}
