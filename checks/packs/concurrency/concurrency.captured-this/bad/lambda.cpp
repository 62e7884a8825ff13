void Stream::submit(MTL::CommandBuffer* buffer) {
  buffer->addCompletedHandler([this](MTL::CommandBuffer* b) { done(b); });  // bad
  buffer->commit();
  std::thread([this] { run(); }).detach();  // bad
}
