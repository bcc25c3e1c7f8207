import { BadRequestException, type ArgumentsHost, Catch } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { InvalidArgumentError, InvalidValueError } from 'nestjs-persistpg';

/** Keys, names, durations and values come straight from requests here, so one that the library refuses is the client's mistake. */
@Catch(InvalidArgumentError, InvalidValueError)
export class BadInputFilter extends BaseExceptionFilter {
  override catch(error: InvalidArgumentError | InvalidValueError, host: ArgumentsHost): void {
    super.catch(new BadRequestException(error.message), host);
  }
}
