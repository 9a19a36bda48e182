// Loaded before a service whose clock is moved by a test. There six hours pass at once. Without this file a service would
// notice that only when its next timer has run down, and a test cannot wait a minute after each step.
//
// Long timers run down by the clock of the machine instead. When this clock is set back, one minute passes. Short timers
// are not changed: the network stays as fast as it is. Long deadlines of the network get some real time too.
import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);
const timers = require('node:timers');
const promises = require('node:timers/promises');
const shortestLongMs = 5_000;
const leastRealMs = 300;
// So short may be a deadline of the network, and a busy machine does not answer in less.
const [mayBeDeadlineMs, leastAnswerMs] = [45_000, 1_500];
const afterSetBackMs = 60_000;
const lookMs = 20;
const { setTimeout, setInterval, clearTimeout, clearInterval } = timers;
const waiting = new Map();
let elapsedMs = 0;
let lastLook = Date.now();

function look() {
  const now = Date.now();
  elapsedMs += now < lastLook ? afterSetBackMs : now - lastLook;
  lastLook = now;
  const real = performance.now();
  for (const [timer, entry] of waiting) if (entry.dueMs <= elapsedMs && entry.realMs <= real) run(timer, entry);
}

function run(timer, entry) {
  if (entry.everyMs === undefined) forget(timer);
  else Object.assign(entry, due(entry.everyMs));
  entry.callback();
}

function due(delayMs) {
  const leastMs = delayMs < mayBeDeadlineMs ? leastAnswerMs : leastRealMs;
  return { dueMs: elapsedMs + delayMs, realMs: performance.now() + leastMs };
}

function forget(timer) {
  if (!waiting.delete(timer)) return;
  clearTimeout(timer);
}

function pacedTimeout(callback, delayMs, ...args) {
  if (!(delayMs >= shortestLongMs)) return setTimeout(callback, delayMs, ...args);
  const timer = setTimeout(() => {
    waiting.delete(timer);
    callback(...args);
  }, delayMs);
  waiting.set(timer, { ...due(delayMs), callback: () => callback(...args) });
  return timer;
}

function pacedInterval(callback, everyMs, ...args) {
  const timer = setInterval(callback, everyMs, ...args);
  if (everyMs >= shortestLongMs) waiting.set(timer, { ...due(everyMs), everyMs, callback: () => callback(...args) });
  return timer;
}

function pacedPause(delayMs, value, options = {}) {
  if (!(delayMs >= shortestLongMs)) return pause(delayMs, value, options);
  return new Promise((resolve, reject) => {
    const { signal, ref = true } = options;
    const abort = () => {
      forget(timer);
      reject(new DOMException('This operation was aborted', 'AbortError'));
    };
    const timer = pacedTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, delayMs);
    if (!ref) timer.unref();
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

const pause = promises.setTimeout;
const stop = (clear) => (timer) => {
  waiting.delete(timer);
  clear(timer);
};
const paced = {
  setTimeout: pacedTimeout,
  setInterval: pacedInterval,
  clearTimeout: stop(clearTimeout),
  clearInterval: stop(clearInterval),
};
Object.assign(timers, paced);
Object.assign(globalThis, paced);
promises.setTimeout = pacedPause;
syncBuiltinESMExports();
setInterval(look, lookMs).unref();
