void run(id<MTLCommandBuffer> buffer, MTLRenderPassDescriptor* pass) {
  id<MTLParallelRenderCommandEncoder> all = [buffer parallelRenderCommandEncoderWithDescriptor:pass];
  id<MTLRenderCommandEncoder> a = [all renderCommandEncoder];
  id<MTLRenderCommandEncoder> b = [all renderCommandEncoder];
  [a endEncoding];
  [b endEncoding];
  [all endEncoding];
}
