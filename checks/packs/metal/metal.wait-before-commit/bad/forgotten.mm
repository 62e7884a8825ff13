@implementation Runner
- (void)run {
  auto buffer = [[_commandQueue commandBuffer] retain];
  /* [buffer commit]; */
  const char* text = "[buffer commit]";
  puts(text);
  [buffer waitUntilScheduled];  // bad
  [buffer release];
}
@end
