//! What is kept beside mail: in databases of its own.

pub(crate) mod grants;
pub(crate) mod logins;
