import { readFileSync } from 'node:fs';

// proc(5): times in /proc/PID/stat are counted in ticks, which are 10 ms on every Linux we support.
const millisecondsPerTick = 10;
const [userField, systemField, childrenUserField, childrenSystemField] = [13, 14, 15, 16];

function ticksOf(pid: number | 'self', fields: readonly number[]): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name of the program in brackets. It may contain spaces.
  const values = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.reduce((sum, field) => sum + Number(values[field - 2]), 0);
}

/** CPU time that a process and its running children have used so far, in milliseconds. */
export function cpuMillisecondsOf(pid: number): number {
  const { user, kernel } = cpuPartsOf(pid);
  return user + kernel;
}

/** The same in two parts: time in the programs themselves, and time in the kernel for them. */
export function cpuPartsOf(pid: number): { readonly user: number; readonly kernel: number } {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const pids = [pid, ...(children === '' ? [] : children.split(' ').map(Number))];
  const spent = (field: number): number =>
    pids.reduce((sum, each) => sum + ticksOf(each, [field]), 0) * millisecondsPerTick;
  return { user: spent(userField), kernel: spent(systemField) };
}

/** CPU time of our child processes that have ended, in milliseconds. */
export function cpuMillisecondsOfEndedChildren(): number {
  return ticksOf('self', [childrenUserField, childrenSystemField]) * millisecondsPerTick;
}
