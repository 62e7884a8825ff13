void run(MTL::CommandQueue* queue) {
  auto* first = queue->commandBuffer();
  auto* second = queue->commandBuffer();
  first->commit();
  second->waitUntilCompleted();  // bad
  second->commit();
}
