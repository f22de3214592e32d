import{at as e,ct as t,et as n,ft as r,nt as i,ut as a}from"./States-D97twjsX.js";async function*o(o,c,l,u,d){let f={accept:`text/event-stream`,...n,...e()};u.id!==void 0&&(f[`last-event-id`]=u.id);let p;try{p=await fetch(i(o,{},c),{headers:f,signal:l})}catch{if(l.aborted)return;throw a()}if(!p.ok||p.body===null)throw await t(p);r(),d?.();let m=p.body.pipeThrough(new TextDecoderStream).getReader(),h=new s(u);try{for(;;){let{done:e,value:t}=await m.read();if(e)return;yield*h.take(t)}}catch{if(!l.aborted)throw a(`the live feed broke off`)}finally{m.cancel().catch(()=>void 0)}}var s=class{#e;#t=``;constructor(e={id:void 0}){this.#e=e}take(e){let t=(this.#t+e).replaceAll(`\r
`,`
`).split(`

`);return this.#t=t.pop()??``,t.map(e=>this.#n(e)).filter(e=>e!==null)}#n(e){let t=[],n=`message`;for(let r of e.split(`
`)){let e=r.indexOf(`:`);if(e===0)continue;let i=e<0?r:r.slice(0,e),a=e<0?``:r.slice(e+1).replace(/^ /,``);i===`data`?t.push(a):i===`id`?this.#e.id=a:i===`event`&&(n=a)}return t.length===0?null:{id:this.#e.id,type:n,data:t.join(`
`)}}};export{o as t};