//! stub
use crate::context::*; use crate::decoder::*; use crate::wire::Result;
#[derive(Default)] pub struct Metrics;
impl Signal for Metrics { const FACTS: ResidueFacts = ResidueFacts{schema_urls:false,scope_dropped:true};
fn enter_scope(&mut self, _c:&mut Context)->Result<()> {Ok(())}
fn record(&mut self,_c:&mut Context,_b:&[u8],_k:&Call,_o:&mut Outcome)->Result<()> {Ok(())}
fn each_table(&mut self,_v:&mut dyn FnMut(&mut dyn AnyTable)) {}
fn forget(&mut self) {} }
