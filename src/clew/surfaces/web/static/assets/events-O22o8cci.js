import{K as e,Q as t,Y as n,q as r}from"./States-BinhWZBk.js";async function*i(i,o,s,c,l){let u={accept:`text/event-stream`,...n()};c!==void 0&&(u[`last-event-id`]=c);let d;try{d=await fetch(r(i,{},o),{headers:u,signal:s})}catch(t){if(s.aborted)return;throw new e(`unavailable`,`the live feed cannot be reached`,0,String(t))}if(!d.ok||d.body===null)throw await t(d);l?.();let f=d.body.pipeThrough(new TextDecoderStream).getReader(),p=new a;try{for(;;){let{done:e,value:t}=await f.read();if(e)return;yield*p.take(t)}}catch(t){if(!s.aborted)throw new e(`unavailable`,`the live feed broke off`,0,String(t))}finally{f.cancel().catch(()=>void 0)}}var a=class{#e=``;take(e){let t=(this.#e+e).replaceAll(`\r
`,`
`).split(`

`);return this.#e=t.pop()??``,t.map(o).filter(e=>e!==null)}};function o(e){let t=[],n,r=`message`;for(let i of e.split(`
`)){let e=i.indexOf(`:`);if(e===0)continue;let a=e<0?i:i.slice(0,e),o=e<0?``:i.slice(e+1).replace(/^ /,``);a===`data`?t.push(o):a===`id`?n=o:a===`event`&&(r=o)}return t.length===0?null:{id:n,type:r,data:t.join(`
`)}}export{i as t};