import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

@Entity('shop_accounts')
export class Account {
  @PrimaryColumn('uuid')
  id!: string;

  /** As it was typed; that there is only one is the business of the reservation. */
  @Column('text')
  username!: string;

  @Column('text')
  email!: string;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt!: Date;
}
