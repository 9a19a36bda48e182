import { describe, expect, it } from 'vitest';
import { adminSocketPath } from './admin-socket.js';

describe('the socket of an admin API', () => {
  it('lies in a folder of its own, since a run directory may be shared', () => {
    expect(adminSocketPath('/run', 'agent', '/')).toBe('/run/sallyport/agent.sock');
  });

  it('is spelt relative to the working directory where the whole path is too long for a socket address', () => {
    const deep = `/srv/${'deep/'.repeat(20)}`;
    expect(adminSocketPath(`${deep}config/run`, 'agent', deep)).toBe('config/run/sallyport/agent.sock');
  });

  it('is refused, with the setting to change, where no spelling fits', () => {
    const deep = `/srv/${'deep/'.repeat(20)}run`;
    expect(() => adminSocketPath(deep, 'agent', '/home/somebody')).toThrow('sallyport config set run.path /run');
  });
});
