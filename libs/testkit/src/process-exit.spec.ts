import { describe, expect, it } from 'vitest';
import { onProcessExit } from './process-exit.js';
import { temporaryDirectory } from './temporary-directory.js';

describe('what a test leaves behind', () => {
  it('takes one listener of the process, however much there is', async () => {
    const before = process.listenerCount('exit');
    const opened = Array.from({ length: 20 }, () => temporaryDirectory());
    expect(process.listenerCount('exit')).toBe(before + 1);
    await Promise.all(opened.map((directory) => directory.remove()));
    expect(process.listenerCount('exit')).toBe(before);
  });

  it('is put away when the process ends, unless a test has done that', () => {
    const others = process.listeners('exit');
    const putAway: string[] = [];
    const takeBack = ['done', 'left', 'left too'].map((name) => onProcessExit(() => void putAway.push(name)));
    takeBack[0]?.();
    for (const listener of process.listeners('exit')) if (!others.includes(listener)) listener(0);
    expect(putAway).toEqual(['left', 'left too']);
    for (const take of takeBack) take();
    expect(process.listeners('exit')).toEqual(others);
  });
});
