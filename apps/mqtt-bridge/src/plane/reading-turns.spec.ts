import { describe, expect, it } from 'vitest';
import { ReadingTurns } from './reading-turns.js';

class Source {
  isRead = true;
  pauseReading(): void {
    this.isRead = false;
  }
  resumeReading(): void {
    this.isRead = true;
  }
}

describe('the sides of a bridge that bring too much', () => {
  it('are left unread one at a time, so that each still gets its acknowledgements', () => {
    const [turns, one, other] = [new ReadingTurns(), new Source(), new Source()];
    turns.pause(one);
    turns.pause(other);
    expect([one.isRead, other.isRead]).toEqual([false, true]);
    turns.resume(one);
    expect([one.isRead, other.isRead]).toEqual([true, false]);
    turns.resume(other);
    expect([one.isRead, other.isRead]).toEqual([true, true]);
  });

  it('are read again when they asked before their turn came', () => {
    const [turns, one, other] = [new ReadingTurns(), new Source(), new Source()];
    turns.pause(one);
    turns.pause(other);
    turns.resume(other);
    turns.resume(one);
    expect([one.isRead, other.isRead]).toEqual([true, true]);
  });
});
