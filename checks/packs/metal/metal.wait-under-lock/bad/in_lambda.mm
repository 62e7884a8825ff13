void Pool::later() {
  submit([this, buffer = buffer_] {
    auto lock = std::scoped_lock(a_, b_);
    buffer->waitUntilCompleted();  // bad
  });
}
