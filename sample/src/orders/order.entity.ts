import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('shop_orders')
export class Order {
  @PrimaryGeneratedColumn('identity')
  id!: number;

  @Column('text')
  slug!: string;

  @Column('integer')
  quantity!: number;

  @CreateDateColumn({ type: 'timestamptz' })
  placedAt!: Date;
}
