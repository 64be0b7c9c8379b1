//! A history gives the recorded decisions again, one by one.

mod damage;
mod day;
mod figures;
mod moments;
mod month;
mod oracle;
mod past;
mod reports;
