// Shapes of functions in Objective-C++. Every head is marked on its first line.
#import <Metal/Metal.h>
#include <atomic>

#ifdef __cplusplus
extern "C" {
#endif
void c_entry(void) { // fn: c_entry
}
#ifdef __cplusplus
}
#endif

NSString* const kSource = @R"(
kernel void hidden(device float* x) { }
)";

static std::atomic<bool> g_alive{false};
static int table[] = {1, 2, 3};
auto lambda = [](int x) { return x; };
void (^block)(void) = ^{ table[0] = 1; };
extern "C" int one_entry() { return 1; } // fn: one_entry

namespace at::mps {
namespace {

enum class State : int { idle, busy };
struct Plain { int a = 0; std::vector<int> b{1, 2}; };

inline int helper(int a = sizeof(int[2])) { // fn: at::mps::helper
  if (a) {
    for (;;) { }
  }
  return a;
}

} // namespace

class TORCH_API Pool final : public Base<int(int)>, private detail::Other {
 public:
  Pool() : slots_{8}, name_("{"), alive_(true) { g_alive.store(true, std::memory_order_release); } // fn: at::mps::Pool::Pool
  explicit Pool(const Pool&) = delete;
  ~Pool() override { g_alive.store(false, std::memory_order_release); } // fn: at::mps::Pool::~Pool
  bool operator==(const Pool& o) const { return this == &o; } // fn: at::mps::Pool::operator==
  Pool& operator=(Pool&&) noexcept { return *this; } // fn: at::mps::Pool::operator=
  int operator()(int i) const& { return i; } // fn: at::mps::Pool::operator()
  explicit operator bool() const { return true; } // fn: at::mps::Pool::operator bool
  void* operator new(size_t n) { return malloc(n); } // fn: at::mps::Pool::operator new
  template <class T, class U = std::vector<T>> requires std::integral<T> // fn: at::mps::Pool::get
  auto get(T t) -> decltype(t) { return t; }
  void guarded() REQUIRES(mutex_) NO_TSA { } // fn: at::mps::Pool::guarded
  struct Slot {
    void reset() { } // fn: at::mps::Pool::Slot::reset
    int index{0};
  };
 protected:
  virtual void hook() noexcept(false) { } // fn: at::mps::Pool::hook
 private:
  std::mutex mutex_;
};

template <>
struct Traits<Pool> {
  static constexpr int size() { return 1; } // fn: at::mps::Traits::size
};

template <typename T> // fn: at::mps::Queue::push
void Queue<T>::push(T value) {
  const auto run = [this, value] { data_.push_back(value); };
  run();
}

std::function<void(int)> maker(std::function<int(int)> f) { // fn: at::mps::maker
  struct Local { void method() { } };
  return [f](int i) { f(i); };
}

__attribute__((constructor)) static void start() { } // fn: at::mps::start
[[nodiscard]] MTLSize size_of(id<MTLDevice> device) try { return {}; } // fn: at::mps::size_of
catch (...) { return {}; }

MACRO_WITH_ARGUMENTS(a, b) // fn: at::mps::Pool::find
Pool::Slot* Pool::find(std::size_t) const volatile { return nullptr; }

} // namespace at::mps

@interface Worker : NSObject {
  int ivar;
}
@property(nonatomic) int count;
- (void)submit:(id<MTLCommandBuffer>)buffer after:(void (^)(int))done;
@end

@implementation Worker {
  std::mutex _mutex;
}
@synthesize count = _count;

- (void)submit:(id<MTLCommandBuffer>)buffer after:(void (^)(int))done { // fn: -[Worker submit:after:]
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) { done(1); }];
  NSDictionary* d = @{ @"a" : @[ @1, @(2) ] };
  @synchronized(self) { [buffer commit]; }
}

+ (instancetype)shared { return nil; } // fn: +[Worker shared]

static int inside(int a) { return -a; } // fn: inside

- (int)count __attribute__((deprecated)) { return _count; } // fn: -[Worker count]
@end

int main(int argc, char** argv) { // fn: main
#if DEBUG
  if (argc) { NSLog(@"it's"); }
#else
  (void)argv;
#endif
  return 0;
}
