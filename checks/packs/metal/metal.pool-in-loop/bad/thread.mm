void start(MTL::CommandQueue* queue) {
  std::thread worker([=] {
    do {
      auto* buffer = queue->commandBufferWithUnretainedReferences();  // bad
      buffer->commit();
    } while (more());
  });
  worker.join();
}
