// Their memory allocator asks for the time before faketime is ready, and then they hang.
const underTheClockOfTheMachine = new Set(['redis-server', 'redis-cli']);

/** The environment of a program that a test starts: that of the test, but Redis always has the clock of the machine. */
export function environmentOf(program: string, env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return underTheClockOfTheMachine.has(program) ? { ...env, LD_PRELOAD: undefined } : env;
}
