import { join } from 'node:path';
import { setting } from '../setting.js';
import { absolutePath } from '../text-values.js';

/** Where things are kept on disk. */
export const folderKeys = {
  'data.path': setting(absolutePath, {
    doc: 'Directory of everything that must survive a restart: uploaded files, the store, CA keys.',
    default: {
      text: '`/var/tedge` when the config directory is `/etc/tedge`, else `<config directory>/data`',
      from: (context) => (context.isSystemDirectory ? '/var/tedge' : join(context.configDirectory, 'data')),
    },
    examples: ['/var/tedge'],
  }),
  'state.path': setting(absolutePath, {
    doc: 'Directory of what Sallyport writes for itself: the marker of the site, the passphrase of the CA keys, certificates and keys of the services, the level each listener last had. Set it when the configuration directory is read-only. Keep its backup apart from that of `data.path`, which holds the CA keys. A service does not start while such files are still in the configuration directory.',
    default: { text: '`<config directory>`', from: (context) => context.configDirectory },
    examples: ['/var/lib/sallyport'],
    isOwn: true,
  }),
  'run.path': setting(absolutePath, {
    doc: 'Directory of what lives as long as a process: the Unix sockets of the admin APIs.',
    default: {
      text: '`/run` when the config directory is `/etc/tedge` and `/run` can be written, else `<config directory>/run`',
      from: (context) =>
        context.isSystemDirectory && context.isRunWritable ? '/run' : join(context.configDirectory, 'run'),
    },
    examples: ['/run'],
  }),
  'tmp.path': setting(absolutePath, {
    doc: 'Directory of temporary files.',
    default: '/tmp',
    examples: ['/tmp'],
    isRead: false,
  }),
  'logs.path': setting(absolutePath, {
    doc: 'Directory of log files.',
    default: '/var/log/tedge',
    examples: ['/var/log/tedge'],
    isRead: false,
  }),
} as const;
