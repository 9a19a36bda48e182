import { Body, Controller, Param, Query } from '@nestjs/common';
import {
  deviceId,
  type EnrolmentTokenList,
  type EnrolmentTokenResponse,
  enrolmentTokenQuery,
  enrolmentTokenRequest,
  signerRoutes,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { OneTimeTokens } from './one-time-tokens.js';

// The socket of the admin API is the administrator's alone.
const actor = 'admin';

/** One-time tokens. */
@Controller()
export class EnrolmentController {
  constructor(private readonly tokens: OneTimeTokens) {}

  @Serves(signerRoutes.createEnrolmentToken)
  create(@Body() body: unknown): Promise<EnrolmentTokenResponse> {
    return this.tokens.create(enrolmentTokenRequest.parse(body), actor);
  }

  @Serves(signerRoutes.listEnrolmentTokens)
  list(@Query() query: unknown): Promise<EnrolmentTokenList> {
    return this.tokens.list(enrolmentTokenQuery.parse(query));
  }

  @Serves(signerRoutes.withdrawEnrolmentToken)
  withdraw(@Param('deviceId') name: string): Promise<void> {
    return this.tokens.withdraw(deviceId.parse(name), actor);
  }
}
