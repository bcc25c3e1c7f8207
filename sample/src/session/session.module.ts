import { Module } from '@nestjs/common';
import { LoginModule } from '../login/login.module';
import { SessionController } from './session.controller';

/** The sessions themselves are made by express-session, which main.ts gives a store. */
@Module({ imports: [LoginModule], controllers: [SessionController] })
export class SessionModule {}
