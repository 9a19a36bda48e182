/**
 * Frees the memory of bytes at once, if these bytes are all of it. They are empty afterwards, so nobody may read them
 * any more.
 *
 * Node allocates memory outside the heap of V8 for each piece that it reads from a socket. V8 collects such memory only
 * after tens of megabytes. Memory that is freed at once is used again for the next piece, while it is still in the cache
 * of the processor.
 *
 * @returns false when other buffers share the memory, as with small pieces. Then nothing happens.
 */
export function freeMemory({ buffer, length }: Buffer): boolean {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== length) return false;
  buffer.transfer(0);
  return true;
}
