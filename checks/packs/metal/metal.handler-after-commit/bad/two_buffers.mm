void pair(id<MTLCommandQueue> queue) {
  auto a = [queue commandBuffer];
  auto b = [queue commandBuffer];
  [a addCompletedHandler:^(id<MTLCommandBuffer>) { first(); }];
  [a commit];
  [b addCompletedHandler:^(id<MTLCommandBuffer>) { second(); }];
  [b commit];
  [a addCompletedHandler:^(id<MTLCommandBuffer>) { late(); }];  // bad
}
