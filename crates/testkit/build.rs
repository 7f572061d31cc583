//! Writes the faulty engine: every method of every trait of the store, each of which first asks whether it is
//! to fail and then hands on to a real engine. Written from the traits themselves, so that it cannot differ
//! from them. `src/faulty_engine.rs` takes in what is written here.

use std::path::Path;
use std::{env, fs, io};

use quote::{format_ident, quote};
use syn::{FnArg, Item, Pat, ReturnType, TraitItem, TraitItemFn};

/// The traits: the file each stands in, its name, and the handle to it in `Stores`.
const TRAITS: &[(&str, &str, &str)] = &[
    ("accounts.rs", "Accounts", "accounts"),
    ("grants.rs", "CleartextGrants", "grants"),
    ("mail.rs", "Mail", "mail"),
    ("logins.rs", "Logins", "logins"),
    ("queue.rs", "Queue", "queue"),
    ("leases.rs", "Leases", "leases"),
    ("wakeups.rs", "Wakeups", "wakeups"),
];

fn main() -> io::Result<()> {
    let sources = Path::new("../store/src");
    let mut code = quote!();
    for &(file, name, handle) in TRAITS {
        let path = sources.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path)?;
        let parsed = syn::parse_file(&text).map_err(io::Error::other)?;
        let methods = parsed.items.iter().find_map(|item| match item {
            Item::Trait(found) if found.ident == name => Some(&found.items),
            _ => None,
        });
        let methods = methods.ok_or_else(|| io::Error::other(format!("{file} has no {name}")))?;
        let handle = format_ident!("{handle}");
        let methods = methods.iter().filter_map(|item| match item {
            TraitItem::Fn(method) => Some(faulty(method, name, &handle)),
            _ => None,
        });
        let name = format_ident!("{name}");
        code.extend(quote! {
            #[async_trait::async_trait]
            impl pillarbox_store::#name for FaultyEngine {
                #(#methods)*
            }
        });
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo gives no OUT_DIR"))?;
    fs::write(Path::new(&out).join("faulty_engine.rs"), code.to_string())
}

/// The method: asks, and hands on. One that cannot fail is only counted; one that answers what it did before it
/// failed does the first half.
fn faulty(method: &TraitItemFn, of: &str, handle: &syn::Ident) -> proc_macro2::TokenStream {
    let signature = &method.sig;
    let name = &signature.ident;
    let arguments = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(pattern) => Some(&pattern.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let label = format!("{of}::{name}");
    let returned = match &signature.output {
        ReturnType::Type(_, returned) => quote!(#returned).to_string(),
        ReturnType::Default => String::new(),
    };
    let real = quote!(self.real.#handle.#name(#(#arguments),*));
    let body = if signature.asyncness.is_none() {
        quote! { self.faults.count(#label); #real }
    } else if returned.contains("dyn Spool") {
        quote! { self.faults.check(#label).await?; Ok(self.faulty_spool(#real.await?)) }
    } else if returned.ends_with("< Moved , StoreError >") {
        // As an engine whose later slice failed.
        quote! {
            match self.faults.check(#label).await {
                Ok(()) => #real.await,
                Err(error) => {
                    let (uids, _) = uids.split_at(uids.len() / 2);
                    match #real.await? {
                        Moved { pairs, .. } if pairs.is_empty() => Err(error),
                        Moved { pairs, .. } => Ok(Moved { pairs, failed: Some(error) }),
                    }
                }
            }
        }
    } else {
        quote! { self.faults.check(#label).await?; #real.await }
    };
    quote! { #signature { #body } }
}
