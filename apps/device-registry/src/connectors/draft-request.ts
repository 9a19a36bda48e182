import type { IncomingMessage } from 'node:http';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { actorOf } from '@sallyport/entrance';
import { connectorName } from '@sallyport/protocol';
import { z } from 'zod';
import type { DraftOwner } from './connector-drafts.js';

/** Which draft a request is about, and the version of it that the caller has seen, if it says one. */
export interface DraftRequest extends DraftOwner {
  readonly ifMatch: string | undefined;
}

interface HttpRequest {
  readonly raw: IncomingMessage;
  readonly params: unknown;
}

const path = z.object({ name: connectorName });

/** A parameter of an operation on a draft. @throws ZodError: no connector may have the name; or as `actorOf` says */
export const OfDraft = createParamDecorator((_: unknown, context: ExecutionContext): DraftRequest => {
  const { raw, params } = context.switchToHttp().getRequest<HttpRequest>();
  return { name: path.parse(params).name, actor: actorOf(raw), ifMatch: raw.headers['if-match'] };
});
