// One system call of this size keeps disk and network busy; more only costs memory.
const largeBytes = 1024 * 1024;
const smallBytes = 64 * 1024;
// So transfers never hold more than 32 MiB in large buffers, however many there are.
const mostLarge = 32;
const mostIdle = 8;

/**
 * Lends the buffers that bytes pass through between disk and network: large ones first, small ones when many are out.
 * Used again and again, they cost the garbage collector nothing.
 */
export class TransferBuffers {
  private readonly idle: Buffer[] = [];
  private largeOut = 0;

  take(): Buffer {
    if (this.largeOut >= mostLarge) return Buffer.allocUnsafeSlow(smallBytes);
    this.largeOut += 1;
    return this.idle.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  /** Takes a buffer back that nothing reads from or writes to any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.length !== largeBytes) return;
    this.largeOut -= 1;
    if (this.idle.length < mostIdle) this.idle.push(buffer);
  }

  /** Forgets a buffer that may still be in use. */
  abandon(buffer: Buffer): void {
    if (buffer.length === largeBytes) this.largeOut -= 1;
  }
}
