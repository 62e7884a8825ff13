void run(MTL::CommandBuffer* buffer) {
  {
    buffer->commit();
  }
  auto* encoder = buffer->computeCommandEncoder();  // bad
  encoder->endEncoding();
}
