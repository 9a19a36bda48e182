import type { LoggerService } from '@nestjs/common';
import type { Log } from './log.js';

/** Writes Nest's messages to our log: messages about the start at `debug`, warnings and errors at their own level. */
export function nestLog(log: Log): LoggerService {
  const [text, fields] = [(message: unknown) => String(message), { source: 'nest' }];
  return {
    log: (message: unknown) => log.debug(fields, text(message)),
    debug: (message: unknown) => log.debug(fields, text(message)),
    verbose: (message: unknown) => log.debug(fields, text(message)),
    warn: (message: unknown) => log.warn(fields, text(message)),
    error: (message: unknown, ...details: unknown[]) =>
      log.error({ ...fields, details: details.map(text) }, text(message)),
    fatal: (message: unknown) => log.error(fields, text(message)),
  };
}
