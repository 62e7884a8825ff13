// Transactions are begun again; their commits are none of a command buffer.
void animate(Database* db) {
  [CATransaction begin];
  [CATransaction commit];
  [CATransaction begin];
  [CATransaction commit];
  db->commit();
  db->commit();
  [db commit];
  [db commit];
}
