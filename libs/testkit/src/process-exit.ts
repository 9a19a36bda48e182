const actions = new Set<() => void>();

/**
 * Calls the action when this process ends, for what no test has put away. All actions share one listener: Node warns of
 * a leak when a process has more than ten.
 *
 * @param action must do its work at once: nothing asynchronous happens any more
 * @returns takes the action back
 */
export function onProcessExit(action: () => void): () => void {
  if (actions.size === 0) process.on('exit', actAll);
  // An action of its own for each call, also when two calls pass the same function.
  const own = () => action();
  actions.add(own);
  return () => {
    actions.delete(own);
    if (actions.size === 0) process.off('exit', actAll);
  };
}

function actAll(): void {
  for (const action of actions) action();
}
