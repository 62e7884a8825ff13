void run(MTL::CommandBuffer* a, MTL::CommandBuffer* b) {
  auto* x = a->computeCommandEncoder();
  auto* y = b->computeCommandEncoder();
  x->endEncoding();
  b->commit();  // bad
  y->endEncoding();
  a->commit();
}
